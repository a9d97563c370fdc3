//! What must change a key, what must not, and the vectors of `docs/keys.md`.

use std::collections::BTreeMap;

use kiel_stapel::ansible::{Ansible, TOOLCHAIN, Task};
use kiel_stapel::key::{Files, Key, Record, Value};
use kiel_stapel::listing::{FileEntry, FileMode, Listing};
use kiel_stapel::spec::{
    EnvDependency, EnvImport, From, GitMapping, ImageSpec, Import, Mount, MountKind, NamePart, Network,
    Position, Shell, StapelSpec,
};
use kiel_stapel::stage::{
    Keys, MappingContent, MappingFiles, Part, PlanError, PlanInput, StapelPlan, UserStage, plan, seen,
};
use proptest::prelude::*;
use serde::Deserialize;

fn entry(path: &str, mode: FileMode, id: &str) -> FileEntry {
    FileEntry {
        path: path.into(),
        mode,
        id: id.repeat(40),
    }
}

fn import(from: From, to: &str, position: Position) -> Import {
    Import {
        from,
        stage: None,
        add: "/out".into(),
        to: to.into(),
        owner: None,
        group: None,
        include_paths: vec![],
        exclude_paths: vec![],
        position,
    }
}

#[derive(Clone)]
struct Case {
    spec: StapelSpec,
    image_spec: Option<ImageSpec>,
    cache_version: Option<String>,
    platform: String,
    content: Vec<MappingContent>,
    builder: &'static str,
}

fn case() -> Case {
    let all = vec![
        entry("a.txt", FileMode::Regular, "1"),
        entry("lib/b.sh", FileMode::Executable, "2"),
        entry("z", FileMode::Regular, "3"),
    ];
    let content = MappingContent {
        install: Listing::new(all[..1].to_vec()),
        all: Listing::new(all),
        ..MappingContent::default()
    };
    let mut mapping = GitMapping {
        add: "/".into(),
        to: "/app".into(),
        ..GitMapping::default()
    };
    mapping.stage_dependencies.install = vec!["a.txt".into()];
    let shell = Shell {
        before_install: vec!["apt update".into()],
        install: vec!["make deps".into()],
        setup: vec!["make".into()],
        ..Shell::default()
    };
    let spec = StapelSpec {
        from: From::External("alpine:3".into()),
        git: vec![mapping],
        shell,
        imports: vec![import(
            From::Image("builder".into()),
            "/opt/tool",
            Position::BeforeSetup,
        )],
        dependencies: vec![EnvDependency {
            image: "builder".into(),
            position: Position::AfterSetup,
            imports: vec![EnvImport {
                part: NamePart::ImageName,
                target_env: "BUILDER".into(),
            }],
        }],
        ..StapelSpec::default()
    };
    Case {
        spec,
        image_spec: None,
        cache_version: None,
        platform: "linux/amd64".into(),
        content: vec![content],
        builder: "1",
    }
}

fn plan_of(case: &Case) -> Result<StapelPlan, PlanError> {
    let platform = case.platform.parse().expect("a platform");
    let content: Vec<MappingFiles> = case.content.iter().map(MappingFiles::from).collect();
    let input = PlanInput {
        spec: &case.spec,
        image_spec: case.image_spec.as_ref(),
        cache_version: case.cache_version.as_deref(),
        platform: &platform,
        content: &content,
    };
    plan(input, case)
}

/// The one other image, which has commands for `install` and `setup`.
impl Keys for Case {
    fn image(&self, name: &str) -> Option<Key> {
        let builder = Record::of("test").with("builder", self.builder).key();
        (name == "builder").then_some(builder)
    }

    fn stage(&self, name: &str, stage: UserStage) -> Option<Key> {
        let key = Record::of("test").with("stage", &stage.to_string()).key();
        let has_it = matches!(stage, UserStage::Install | UserStage::Setup);
        (name == "builder" && has_it).then_some(key)
    }
}

impl Keys for StapelVector {
    fn image(&self, name: &str) -> Option<Key> {
        self.image_keys.get(name).copied()
    }

    fn stage(&self, name: &str, stage: UserStage) -> Option<Key> {
        self.stage_keys.get(name)?.get(&stage).copied()
    }
}

#[test]
fn an_import_from_a_stage_counts_that_stage_alone() {
    let with = |stage: Option<UserStage>, builder| {
        let mut case = case();
        case.spec.dependencies.clear();
        case.spec.imports[0].stage = stage;
        case.builder = builder;
        let plan = plan_of(&case).expect("a plan");
        let is_import = |part: &&Part| matches!(part, Part::Import { .. } | Part::CopiedImport { .. });
        let Some(Part::Import { keyed, .. } | Part::CopiedImport { keyed, .. }) =
            plan.parts.iter().find(is_import)
        else {
            panic!("it has an import")
        };
        (plan.image.key, serde_json::to_value(&keyed.inputs).expect("JSON"))
    };
    let (key, record) = with(Some(UserStage::Install), "1");
    assert_eq!(key, with(Some(UserStage::Install), "2").0);
    assert_ne!(key, with(Some(UserStage::Setup), "1").0);
    let stage = case().stage("builder", UserStage::Install).expect("it has it");
    assert_eq!(record["stage"], stage.to_string());
    assert!(record.get("image").is_none(), "{record}");
    // Without commands of that stage the whole image is taken.
    let whole = with(None, "1").0;
    assert_eq!(whole, with(Some(UserStage::BeforeSetup), "1").0);
    assert_ne!(whole, with(Some(UserStage::BeforeSetup), "2").0);
    assert_ne!(whole, key);
}

/// Which keys a change of the case changes: from, each stage in order, the image.
fn changed(change: impl FnOnce(&mut Case)) -> String {
    let before = plan_of(&case()).expect("a plan");
    let mut other = case();
    change(&mut other);
    let after = plan_of(&other).expect("a plan");
    let keys = |plan: &StapelPlan| -> Vec<Key> {
        let stages = plan.parts.iter().filter_map(Part::stage_key);
        std::iter::once(plan.from.key)
            .chain(stages)
            .chain([plan.image.key])
            .collect()
    };
    let (before, after) = (keys(&before), keys(&after));
    assert_eq!(before.len(), after.len());
    before
        .iter()
        .zip(&after)
        .map(|(a, b)| if a == b { '=' } else { 'x' })
        .collect()
}

#[test]
fn a_change_reaches_the_stages_that_it_concerns_and_those_after() {
    // from, beforeInstall, install, setup, image
    assert_eq!(changed(|_| ()), "=====");
    assert_eq!(
        changed(|c| c.spec.from = From::External("alpine:4".into())),
        "xxxxx"
    );
    assert_eq!(changed(|c| c.platform = "linux/arm64".into()), "xxxxx");
    assert_eq!(changed(|c| c.cache_version = Some("2".into())), "xxxxx");
    assert_eq!(changed(|c| c.spec.from_cache_version = Some("2".into())), "xxxxx");
    assert_eq!(
        changed(|c| c.spec.mounts = vec![Mount {
            kind: MountKind::TmpDir,
            to: "/t".into()
        }]),
        "xxxxx"
    );
    assert_eq!(changed(|c| c.spec.shell.before_install[0].push(' ')), "=xxxx");
    assert_eq!(
        changed(|c| c.spec.shell.install_cache_version = Some("2".into())),
        "==xxx"
    );
    assert_eq!(changed(|c| c.spec.git[0].to = "/srv".into()), "==xxx");
    assert_eq!(changed(|c| c.content[0].install = Listing::default()), "==xxx");
    assert_eq!(changed(|c| c.spec.imports[0].to = "/opt/other".into()), "===xx");
    assert_eq!(changed(|c| c.spec.shell.setup.push("true".into())), "===xx");
    assert_eq!(changed(|c| c.builder = "2"), "===xx");
    assert_eq!(
        changed(|c| c.spec.dependencies[0].imports[0].target_env = "B".into()),
        "====x"
    );
    assert_eq!(
        changed(|c| c.image_spec = Some(ImageSpec {
            cmd: Some(vec![]),
            ..ImageSpec::default()
        })),
        "====x"
    );
}

#[test]
fn tasks_count_as_written_with_what_runs_them() {
    let ansible = |install: &str| {
        let tasks = |text: &str| serde_json::from_str::<Vec<Task>>(text).expect("tasks");
        Ansible {
            before_install: tasks(r#"[{"apk": {"name": "make"}}]"#),
            install: tasks(install),
            ..Ansible::default()
        }
    };
    let of = |ansible: Ansible| {
        let mut case = case();
        case.spec.shell = Shell::default();
        case.spec.ansible = Some(ansible);
        let plan = plan_of(&case).expect("a plan");
        let keys = plan.parts.iter().filter_map(Part::stage_key);
        keys.chain([plan.image.key]).collect::<Vec<_>>()
    };
    let plain = of(ansible(r#"[{"name": "n", "command": "make"}]"#));
    assert_eq!(plain.len(), 3, "beforeInstall, install, the image");
    let same = |other: Ansible| {
        let found = of(other);
        let pairs = plain.iter().zip(&found);
        pairs
            .map(|(a, b)| if a == b { '=' } else { 'x' })
            .collect::<String>()
    };
    assert_eq!(same(ansible(r#"[ {"name":"n","command":"make"} ]"#)), "===");
    assert_eq!(same(ansible(r#"[{"command": "make", "name": "n"}]"#)), "=xx");
    assert_eq!(same(ansible(r#"[{"name": "n", "command": "make all"}]"#)), "=xx");
    let mut other = ansible(r#"[{"name": "n", "command": "make"}]"#);
    other.toolchain = Some(TOOLCHAIN.into());
    assert_eq!(same(other.clone()), "===", "the default, by name");
    other.toolchain = Some("a/b:1".into());
    assert_eq!(same(other.clone()), "xxx");
    other.toolchain = None;
    other.install_cache_version = Some("2".into());
    assert_eq!(same(other.clone()), "=xx");
    other.cache_version = Some("2".into());
    assert_eq!(same(other), "xxx");
}

#[test]
fn git_content_outside_of_stage_dependencies_changes_the_image_alone() {
    let with = |entries: Vec<FileEntry>| changed(|c| c.content[0].all = Listing::new(entries));
    let (a, b, z) = (
        entry("a.txt", FileMode::Regular, "1"),
        entry("lib/b.sh", FileMode::Executable, "2"),
        entry("z", FileMode::Regular, "3"),
    );
    assert_eq!(with(vec![b.clone(), z.clone(), a.clone()]), "=====", "order");
    assert_eq!(
        with(vec![
            a.clone(),
            entry("lib/b.sh", FileMode::Executable, "4"),
            z.clone()
        ]),
        "====x",
        "content"
    );
    assert_eq!(
        with(vec![
            a.clone(),
            entry("lib/c.sh", FileMode::Executable, "2"),
            z.clone()
        ]),
        "====x",
        "a rename that keeps the order"
    );
    assert_eq!(
        with(vec![
            a.clone(),
            entry("lib/b.sh", FileMode::Regular, "2"),
            z.clone()
        ]),
        "====x",
        "chmod"
    );
    assert_eq!(with(vec![a, b]), "====x", "removal");
}

#[test]
fn a_hermetic_mapping_shows_a_stage_what_is_named_for_it_and_those_before() {
    let mut case = case();
    case.spec.git[0].stage_dependencies.setup = vec!["lib".into()];
    case.content[0].setup = Listing::new(case.content[0].all.entries()[1..2].to_vec());
    // What is named for a stage without commands is laid down for none.
    case.spec.git[0].stage_dependencies.before_setup = vec!["z".into()];
    case.content[0].before_setup = Listing::new(case.content[0].all.entries()[2..].to_vec());
    let plain = plan_of(&case).expect("a plan");
    case.spec.git[0].hermetic = true;
    let plan = plan_of(&case).expect("a plan");
    assert!(
        plan.parts.iter().zip(&plain.parts).any(|(a, b)| a != b),
        "the keys differ"
    );
    let paths = |parts: &[Part]| {
        let seen = seen(&case.spec.git, &case.content, parts);
        let paths = seen[0].entries().iter().map(|entry| entry.path.clone());
        paths.collect::<Vec<_>>().join(" ")
    };
    let found: Vec<String> = (1..=plan.parts.len())
        .map(|end| paths(&plan.parts[..end]))
        .collect();
    // beforeInstall, archive, install, import, setup
    assert_eq!(found, ["", "", "a.txt", "a.txt", "a.txt lib/b.sh"]);
}

#[test]
fn what_the_image_is_called_and_where_it_goes_is_in_no_record() {
    let plan = plan_of(&case()).expect("a plan");
    let text = serde_json::to_string(&plan).expect("serializable");
    assert!(!text.contains("builder\""), "{text}");
}

#[test]
fn an_unused_dependency_position_does_not_join_earlier_stages() {
    assert_eq!(
        changed(|c| c.spec.dependencies[0].position = Position::BeforeInstall),
        "==xxx"
    );
}

#[test]
fn an_empty_mapping_and_a_missing_image_are_named() {
    let mut empty = case();
    empty.content[0] = MappingContent::default();
    assert_eq!(
        plan_of(&empty),
        Err(PlanError::EmptyMapping {
            add: "/".into(),
            to: "/app".into()
        })
    );
    let mut missing = case();
    missing.spec.from = From::Image("nope".into());
    assert_eq!(plan_of(&missing), Err(PlanError::MissingImage("nope".into())));
}

#[test]
fn imports_over_linked_folders_are_copied_onto_the_image() {
    let kind = |to: &str, owner: Option<&str>| {
        let mut case = case();
        case.spec.imports[0].to = to.into();
        case.spec.imports[0].owner = owner.map(Into::into);
        plan_of(&case)
            .expect("a plan")
            .parts
            .iter()
            .any(|part| matches!(part, Part::CopiedImport { .. }))
    };
    for to in [
        "/",
        "/bin",
        "/bin/tool",
        "/lib64/x",
        "/lib/x",
        "/sbin/x",
        "/var/run/x",
        "/home/app/x",
        "/app/dist",
    ] {
        assert!(kind(to, None), "{to}");
    }
    for to in [
        "/app",
        "/binary",
        "/usr/bin/tool",
        "/usr/lib",
        "/usr/local/share/x",
        "/opt/tool",
    ] {
        assert!(!kind(to, None), "{to}");
    }
    assert!(kind("/app", Some("app")) && !kind("/app", Some("1000")));
}

fn key(listing: &Listing) -> Key {
    Files::from(listing).key()
}

proptest! {
    #[test]
    fn a_listing_has_one_key_whatever_the_order(mut paths in proptest::collection::hash_set("[a-c](/[a-c]){0,2}x", 1..8), seed in any::<u64>()) {
        let entries: Vec<_> = paths.drain().map(|path| entry(&path, FileMode::Regular, "1")).collect();
        let mut turned = entries.clone();
        turned.rotate_left(usize::try_from(seed % entries.len() as u64).expect("small"));
        prop_assert_eq!(key(&Listing::new(entries)), key(&Listing::new(turned)));
    }

    #[test]
    fn different_listings_have_different_keys(a in proptest::collection::vec(("[a-b](/[a-b]){0,2}x", 0..3_u8, "[12]"), 0..4), b in proptest::collection::vec(("[a-b](/[a-b]){0,2}x", 0..3_u8, "[12]"), 0..4)) {
        let listing = |items: Vec<(String, u8, String)>| Listing::new(items.into_iter().map(|(path, mode, id)| {
            let mode = [FileMode::Regular, FileMode::Executable, FileMode::Link][usize::from(mode)];
            entry(&path, mode, &id)
        }).collect());
        let (a, b) = (listing(a), listing(b));
        prop_assert_eq!(a == b, key(&a) == key(&b));
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StapelVector {
    platform: String,
    image_keys: BTreeMap<String, Key>,
    #[serde(default)]
    stage_keys: BTreeMap<String, BTreeMap<UserStage, Key>>,
    spec: StapelSpec,
    image_spec: Option<ImageSpec>,
    content: Vec<ContentVector>,
    keys: serde_json::Value,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ContentVector {
    all: Listing,
    install: Listing,
    before_setup: Listing,
    setup: Listing,
}

/// The JSON of each fenced block with that name on the page.
fn vectors(name: &str) -> Vec<String> {
    let page = include_str!("../../docs/keys.md");
    let blocks = page
        .split("\n```json ")
        .skip(1)
        .filter_map(|block| block.split_once('\n'));
    let found: Vec<String> = blocks
        .filter(|(kind, _)| *kind == name)
        .filter_map(|(_, rest)| rest.split_once("\n```").map(|(body, _)| body.to_owned()))
        .collect();
    assert!(!found.is_empty(), "docs/keys.md has no `{name}` vectors");
    found
}

fn value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::String(text) => Value::Text(text.clone()),
        serde_json::Value::Number(number) => Value::Number(number.as_u64().expect("a whole number")),
        serde_json::Value::Bool(flag) => Value::Flag(*flag),
        serde_json::Value::Array(items) => Value::List(items.iter().map(value).collect()),
        serde_json::Value::Object(fields) => {
            Value::Record(fields.iter().fold(Record::default(), |record, (name, field)| {
                record.with(name, value(field))
            }))
        }
        serde_json::Value::Null => panic!("a record has no null"),
    }
}

#[test]
fn the_record_vectors_of_the_page_hold() {
    for block in vectors("record") {
        let vector: serde_json::Value = serde_json::from_str(&block).expect("JSON");
        let Value::Record(record) = value(&vector["record"]) else {
            panic!("a record")
        };
        if let Some(encoded) = vector["encoded"].as_str() {
            assert_eq!(hex::encode(record.encode()), encoded.replace(' ', ""));
        }
        assert_eq!(
            record.key().to_string(),
            vector["key"].as_str().unwrap_or_default(),
            "{block}"
        );
    }
}

#[test]
fn the_stapel_vectors_of_the_page_hold() {
    for block in vectors("stapel") {
        let vector: StapelVector = serde_json::from_str(&block).expect("JSON");
        let platform = vector.platform.parse().expect("a platform");
        let content: Vec<MappingFiles> = vector
            .content
            .iter()
            .map(|content| MappingFiles {
                all: (&content.all).into(),
                install: (&content.install).into(),
                before_setup: (&content.before_setup).into(),
                setup: (&content.setup).into(),
            })
            .collect();
        let input = PlanInput {
            spec: &vector.spec,
            image_spec: vector.image_spec.as_ref(),
            cache_version: None,
            platform: &platform,
            content: &content,
        };
        let plan = plan(input, &vector).expect("a plan");
        let parts: Vec<_> = plan
            .parts
            .iter()
            .map(|part| match part {
                Part::Stage { stage, keyed } => serde_json::json!([stage, keyed.key]),
                Part::CopiedImport { keyed, .. } => serde_json::json!(["copied import", keyed.key]),
                Part::Import { keyed, .. } => serde_json::json!(["import", keyed.key]),
                Part::Archive => serde_json::json!(["archive"]),
            })
            .collect();
        let found = serde_json::json!({"from": plan.from.key, "parts": parts, "image": plan.image.key, "saw": plan.saw});
        assert_eq!(found, vector.keys, "found: {found}");
    }
}

#[test]
fn what_is_new_in_the_specification_counts_where_it_is_used() {
    assert_eq!(changed(|case| case.spec.network = Some(Network::None)), "xxxxx");
    assert_eq!(changed(|case| case.spec.disable_git_after_patch = true), "====x");
    // What no stage names doesn't count any more, and what a stage names still does.
    let frozen = |change: fn(&mut Case)| {
        let mut case = case();
        case.spec.disable_git_after_patch = true;
        change(&mut case);
        plan_of(&case).expect("a plan").image.key
    };
    assert_eq!(
        frozen(|_| {}),
        frozen(|case| case.content[0].all = other(&case.content[0].all, 2))
    );
    assert_ne!(
        frozen(|_| {}),
        frozen(|case| case.content[0].install = other(&case.content[0].install, 0))
    );
    // Without a stage that has seen the files they count as ever.
    assert_ne!(
        frozen_bare(|_| {}),
        frozen_bare(|case| case.content[0].all = Listing::new(vec![entry("q", FileMode::Regular, "7")]))
    );
}

fn frozen_bare(change: fn(&mut Case)) -> Key {
    let mut case = case();
    case.spec.disable_git_after_patch = true;
    case.spec.shell = Shell::default();
    change(&mut case);
    plan_of(&case).expect("a plan").image.key
}

fn other(list: &Listing, index: usize) -> Listing {
    let mut entries = list.entries().to_vec();
    entries[index].id = "9".repeat(40);
    Listing::new(entries)
}
