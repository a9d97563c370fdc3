//! One image document: Dockerfile or Stapel.

use std::collections::{BTreeMap, HashSet};

use kiel_llb::Platform;
use kiel_stapel::spec::{
    EnvDependency, EnvImport, From, GitMapping, Import, Mount, MountKind, NamePart, Network, Position, Shell,
    StageDependencies, StapelSpec,
};
use kiel_stapel::stage::UserStage;
use kiel_template::yaml::Node;

use super::ansible;
use super::includes::read_auth;
use super::model::{
    ArgDependency, ArgImport, DockerfileImage, ExternalKind, GitReference, GitRemote, Image, ImageKind,
    NAMELESS, Secret, SecretSource, SshAgent,
};
use super::parse::Defaults;
use super::reader::{Reader, maps, scalar, value};
use super::schema::nearest_name;
use super::settings::{read_docker, read_image_spec, with_common};

/// The images of a document, one for each of its names; `names` are the names of all images of the file.
pub(crate) fn read(
    reader: &mut Reader,
    node: &Node<'_>,
    names: &HashSet<String>,
    defaults: &Defaults,
) -> Vec<Image> {
    let Some(image_names) = own_names(reader, node) else {
        return Vec::new();
    };
    note_outdated(reader, node);
    let is_final = reader
        .boolean(node, "final")
        .unwrap_or(value(node, "artifact").is_none());
    let cache_version = reader
        .text(node, "cacheVersion")
        .or(defaults.cache_version.clone());
    let image_spec = value(node, "imageSpec").map(|spec| read_image_spec(reader, spec));
    let image_spec = with_common(image_spec, defaults.image_spec.as_ref());
    let kind = if value(node, "dockerfile").is_some() {
        ImageKind::Dockerfile(Box::new(read_dockerfile(reader, node)))
    } else {
        ImageKind::Stapel(Box::new(read_stapel(reader, node, &image_names, names)))
    };
    let remotes = match &kind {
        ImageKind::Stapel(_) => read_remotes(reader, node),
        ImageKind::Dockerfile(_) => BTreeMap::new(),
    };
    let secrets = read_secrets(reader, node);
    let kind = match kind {
        ImageKind::Stapel(mut spec) => {
            spec.secrets = secrets.iter().map(|secret| secret.id.clone()).collect();
            ImageKind::Stapel(spec)
        }
        ImageKind::Dockerfile(docker) => ImageKind::Dockerfile(docker),
    };
    let platforms = read_platforms(reader, node);
    let platforms = if platforms.is_empty() {
        defaults.platforms.clone()
    } else {
        platforms
    };
    reader.boolean(node, "staged");
    if value(node, "artifact").is_some()
        && let Some(at) = value(node, "docker")
    {
        let hint = Some("an artifact is never run: leave it out".to_owned());
        reader.mistake(at, "an artifact has no `docker`", hint);
    }
    let line = node.line + reader.lines_before;
    let image = |name| Image {
        name,
        is_final,
        cache_version: cache_version.clone(),
        kind: kind.clone(),
        image_spec: image_spec.clone(),
        remotes: remotes.clone(),
        secrets: secrets.clone(),
        platforms: platforms.clone(),
        line,
    };
    image_names.into_iter().map(image).collect()
}

/// `platform`: one, or a list.
pub(crate) fn read_platforms(reader: &mut Reader, map: &Node<'_>) -> Vec<Platform> {
    let Some(node) = value(map, "platform") else {
        return Vec::new();
    };
    let mut platforms = Vec::new();
    for text in reader.texts(map, "platform").unwrap_or_default() {
        match text.parse() {
            Ok(platform) => platforms.push(platform),
            Err(_) => {
                let hint = "write os/architecture[/variant]: linux/amd64, linux/arm64, linux/arm/v7";
                reader.mistake(node, format!("`{text}` is no platform"), Some(hint.to_owned()));
            }
        }
    }
    platforms
}

/// Whether it is the image without a name: `image:` with nothing behind it.
pub(crate) fn is_nameless(node: &Node<'_>) -> bool {
    let has = |name: &str| {
        let entries = node.merged_entries().unwrap_or_default();
        entries
            .iter()
            .any(|(key, value)| key.text() == Some(name) && value.is_null())
    };
    value(node, "artifact").is_none() && has("image")
}

/// Keys that werf v3 refuses.
fn note_outdated(reader: &mut Reader, node: &Node<'_>) {
    if is_nameless(node) {
        reader.outdated(node, "an image without a name", "write `image: NAME`".to_owned());
    }
    for (key, instead) in [
        ("artifact", "image: NAME` and `final: false"),
        ("fromArtifact", "from: NAME"),
        ("docker", "imageSpec: {config: {…}}"),
        ("disableGitAfterPatch", "stageDependencies` of what commands need"),
        (
            "ansible",
            "shell: {…}` with the commands, or with `ansible-playbook",
        ),
    ] {
        if let Some(at) = value(node, key) {
            let name = scalar(at).unwrap_or("NAME");
            let instead = instead.replace("NAME", name);
            reader.outdated(at, &format!("`{key}`"), format!("write `{instead}`"));
        }
    }
    for import in maps(node, "import") {
        if let Some(at) = value(import, "artifact") {
            let name = scalar(at).unwrap_or("NAME");
            reader.outdated(at, "`artifact` of an import", format!("write `from: {name}`"));
        }
        if let Some(at) = value(import, "stage") {
            let instead = "end an image of its own there, and import from it without `stage`";
            reader.outdated(at, "`stage` of an import", instead.to_owned());
        }
    }
    for (place, key) in [("git", "a git mapping"), ("import", "an import")] {
        for map in maps(node, place) {
            if let Some(at) = value(map, "to")
                && let Some(path) = scalar(at).and_then(|path| path.strip_suffix('/'))
                && !path.is_empty()
            {
                reader.outdated(
                    at,
                    &format!("the slash at the end of `to` of {key}"),
                    format!("write `to: {path}`"),
                );
            }
        }
    }
}

fn own_names(reader: &mut Reader, node: &Node<'_>) -> Option<Vec<String>> {
    let key = if value(node, "artifact").is_some() {
        "artifact"
    } else {
        "image"
    };
    if is_nameless(node) {
        return Some(vec![NAMELESS.to_owned()]);
    }
    if value(node, key).is_none() {
        let hint = Some("add `image: NAME`".to_owned());
        reader.mistake(node, "an image has no name", hint);
        return None;
    }
    let names = reader.strings(node, key)?;
    for name in &names {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/');
        let at = value(node, key).unwrap_or(node);
        let hint = "use Latin letters, digits, `_`, `.`, `-`, in parts separated by `/`".to_owned();
        let is_odd = |c: char| {
            c.is_control() || c.is_whitespace() || matches!(c, '&' | '|' | '$' | '!' | '*' | '?' | '[' | '\\')
        };
        if name.split('/').any(str::is_empty) || name.contains(is_odd) {
            reader.mistake(at, format!("`{name}` is no name for an image"), Some(hint));
        } else if !name.chars().all(good) {
            reader.outdated(at, &format!("the name `{name}` of an image"), hint);
        }
    }
    Some(names)
}

fn read_dockerfile(reader: &mut Reader, node: &Node<'_>) -> DockerfileImage {
    let context = relative(reader, node, "context").unwrap_or_default();
    let dockerfile = relative(reader, node, "dockerfile").unwrap_or_default();
    let args = reader.text_map(node, "args");
    let mut dependencies = Vec::new();
    for dependency in maps(node, "dependencies") {
        let Some(image) = dependency_image(reader, dependency) else {
            continue;
        };
        let mut imports = Vec::new();
        for import in maps(dependency, "imports") {
            let part = name_part(reader, import);
            let target = reader.required(import, "targetBuildArg", "an import of `dependencies`");
            if let Some(target) = target.as_ref().filter(|target| args.contains_key(*target)) {
                let hint = Some("keep one of them".to_owned());
                reader.mistake(
                    import,
                    format!("build argument `{target}` stands in `args` too"),
                    hint,
                );
            }
            if let (Some(part), Some(target_build_arg)) = (part, target) {
                imports.push(ArgImport {
                    part,
                    target_build_arg,
                });
            }
        }
        dependencies.push(ArgDependency { image, imports });
    }
    let mut context_add_files = Vec::new();
    for key in ["contextAddFiles", "contextAddFile"] {
        for file in reader.texts(node, key).unwrap_or_default() {
            let at = value(node, key).unwrap_or(node);
            match relative_path(format!("{context}/{file}").trim_start_matches('/')) {
                Some(path) if !file.starts_with('/') => {
                    reader.external(at, ExternalKind::ContextAddFile(path.clone()));
                    context_add_files.push(path);
                }
                _ => reader.mistake(
                    at,
                    format!("`{file}` of `{key}` must be relative to the context"),
                    None,
                ),
            }
        }
    }
    let dockerfile = if context.is_empty() {
        dockerfile
    } else {
        format!("{context}/{dockerfile}")
    };
    DockerfileImage {
        dockerfile,
        context,
        target: reader.text(node, "target"),
        args,
        dependencies,
        context_add_files,
        add_hosts: read_hosts(reader, node),
        network: read_network(reader, node),
        ssh: read_ssh(reader, node),
    }
}

/// `name:address`, as Docker takes them.
fn read_hosts(reader: &mut Reader, node: &Node<'_>) -> Vec<(String, String)> {
    let mut hosts = Vec::new();
    for text in reader.texts(node, "addHost").unwrap_or_default() {
        let pair = text.split_once([':', '=']).filter(|(name, address)| {
            let address = address.trim_start_matches('[').trim_end_matches(']');
            !name.is_empty() && address.parse::<std::net::IpAddr>().is_ok()
        });
        match pair {
            Some((name, address)) => hosts.push((name.to_owned(), address.to_owned())),
            None => {
                let at = value(node, "addHost").unwrap_or(node);
                let hint = Some("write `NAME:ADDRESS`, such as `db:10.0.0.1`".to_owned());
                reader.mistake(at, format!("`{text}` is no name with an address"), hint);
            }
        }
    }
    hosts
}

fn read_network(reader: &mut Reader, node: &Node<'_>) -> Option<Network> {
    let text = reader.text(node, "network")?;
    match text.as_str() {
        "host" => Some(Network::Host),
        "none" => Some(Network::None),
        "default" | "bridge" => None,
        _ => {
            let at = value(node, "network").unwrap_or(node);
            let hint =
                Some("write default, host or none; networks of Docker are not there in a build".to_owned());
            reader.mistake(at, format!("`{text}` is no network of a build"), hint);
            None
        }
    }
}

/// `default`, `ID` or `ID=SOCKET`, several with commas between them, as Docker takes them.
fn read_ssh(reader: &mut Reader, node: &Node<'_>) -> Vec<SshAgent> {
    let Some(text) = reader.text(node, "ssh") else {
        return Vec::new();
    };
    let agent = |part: &str| {
        let (id, socket) = part
            .split_once('=')
            .map_or((part, None), |(id, path)| (id, Some(path)));
        SshAgent {
            id: id.to_owned(),
            socket: socket.filter(|path| !path.is_empty()).map(str::to_owned),
        }
    };
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(agent)
        .collect()
}

/// `own` are its names: an image that is called like its base means the base.
fn read_stapel(reader: &mut Reader, node: &Node<'_>, own: &[String], names: &HashSet<String>) -> StapelSpec {
    let from_image = reader
        .text(node, "fromImage")
        .or_else(|| reader.text(node, "fromArtifact"));
    let is_external_base = reader.boolean(node, "fromExternal").unwrap_or(false);
    let base = match (from_image, reader.text(node, "from")) {
        (Some(image), None) if is_external(&image) => source(image, names),
        (Some(image), None) => From::Image(image),
        (None, Some(from)) if is_external_base && from != "scratch" => From::External(from),
        (None, Some(from)) if own.contains(&from) => From::External(from),
        (None, Some(from)) => source(from, names),
        (Some(_), Some(_)) => {
            reader.mistake(
                node,
                "an image has both `from` and `fromImage`",
                Some("keep `from`".to_owned()),
            );
            From::Scratch
        }
        (None, None) => {
            let hint = "add `from: BASE` (Stapel) or `dockerfile: Dockerfile`".to_owned();
            reader.mistake(node, "an image has neither `from` nor `dockerfile`", Some(hint));
            From::Scratch
        }
    };
    if let From::External(name) = &base
        && !is_external(name)
    {
        let at = value(node, "from").unwrap_or(node);
        reader.outdated(
            at,
            "a base without tag and digest",
            format!("write `from: {name}:latest`"),
        );
    }
    if let Some(at) = value(node, "fromLatest")
        && reader.boolean(node, "fromLatest") == Some(true)
    {
        reader.external(at, ExternalKind::FromLatest);
    }
    let git: Vec<GitMapping> = maps(node, "git")
        .into_iter()
        .map(|git| read_git(reader, git))
        .collect();
    for (index, mapping) in git.iter().enumerate() {
        if git[..index]
            .iter()
            .any(|other| other.to == mapping.to && other.include_paths == mapping.include_paths)
        {
            let hint = Some("give each its own folder, or its own `includePaths`".to_owned());
            reader.mistake(node, format!("two git mappings go to `{}`", mapping.to), hint);
        }
    }
    StapelSpec {
        from: base,
        from_cache_version: reader.text(node, "fromCacheVersion"),
        git,
        shell: value(node, "shell")
            .map(|shell| read_shell(reader, shell))
            .unwrap_or_default(),
        ansible: ansible::read(reader, node),
        imports: maps(node, "import")
            .into_iter()
            .filter_map(|import| read_import(reader, import, names))
            .collect(),
        dependencies: read_dependencies(reader, node),
        mounts: read_mounts(reader, node),
        docker: value(node, "docker").map(|docker| read_docker(reader, docker)),
        secrets: Vec::new(),
        network: read_network(reader, node),
        from_latest: reader.boolean(node, "fromLatest").unwrap_or(false),
        disable_git_after_patch: reader.boolean(node, "disableGitAfterPatch").unwrap_or(false),
    }
}

fn read_mounts(reader: &mut Reader, node: &Node<'_>) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = Vec::new();
    for at in maps(node, "mount") {
        let Some(mount) = read_mount(reader, at) else {
            continue;
        };
        if mounts.iter().any(|other| other.to == mount.to) {
            let hint = Some("keep one of them".to_owned());
            reader.mistake(at, format!("two mounts are at `{}`", mount.to), hint);
        }
        mounts.push(mount);
    }
    mounts
}

fn read_mount(reader: &mut Reader, node: &Node<'_>) -> Option<Mount> {
    let to = absolute(reader, node, "to", "a mount");
    let from = reader.text(node, "from");
    if let Some(path) = reader.text(node, "fromPath") {
        if from.is_some() {
            let hint = Some("keep one of them".to_owned());
            reader.mistake(node, "a mount has both `from` and `fromPath`", hint);
        }
        reader.external(node, ExternalKind::MountFromPath(path.clone()));
        let kind = MountKind::FromPath(path);
        return to.map(|to| Mount { kind, to });
    }
    let kind = match from.as_deref() {
        Some("tmp_dir") => MountKind::TmpDir,
        Some("build_dir") => {
            reader.external(node, ExternalKind::MountBuildDir);
            MountKind::BuildDir
        }
        _ => {
            let at = value(node, "from").unwrap_or(node);
            let hint = Some("write `from: tmp_dir`, `from: build_dir` or `fromPath: PATH`".to_owned());
            reader.mistake(at, "a mount does not say from where", hint);
            return None;
        }
    };
    to.map(|to| Mount { kind, to })
}

fn read_secrets(reader: &mut Reader, node: &Node<'_>) -> Vec<Secret> {
    let mut secrets: Vec<Secret> = Vec::new();
    for secret in maps(node, "secrets") {
        let id = reader.text(secret, "id");
        let given = ["env", "src", "value"].map(|key| reader.text(secret, key));
        let (source, default) = match given {
            [Some(name), None, None] => {
                reader.external(secret, ExternalKind::SecretEnv(name.clone()));
                (SecretSource::Env(name.clone()), Some(name))
            }
            [None, Some(path), None] => {
                reader.external(secret, ExternalKind::SecretFile(path.clone()));
                let name = path.rsplit('/').next().map(str::to_owned);
                (SecretSource::File(path), name)
            }
            [None, None, Some(text)] => {
                if let Some(id) = &id {
                    reader.external(secret, ExternalKind::SecretValue(id.clone()));
                }
                (SecretSource::Value(text), None)
            }
            _ => {
                let hint = Some("add one of `env: NAME`, `src: PATH`, `value: TEXT`".to_owned());
                reader.mistake(secret, "a secret needs one source", hint);
                continue;
            }
        };
        let Some(id) = id.or(default) else {
            reader.mistake(
                secret,
                "a secret with `value` has no `id`",
                Some("add `id: NAME`".into()),
            );
            continue;
        };
        if secrets.iter().any(|other| other.id == id) {
            reader.mistake(
                secret,
                format!("the secret `{id}` stands twice"),
                Some("keep one of them".into()),
            );
        }
        secrets.push(Secret { id, source });
    }
    secrets
}

/// Whether a name can only be one of a registry: it has a tag or a digest.
fn is_external(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or_default();
    last.contains(':') || name.contains('@')
}

/// What `from` means: an image of the file, an external one, or nothing.
fn source(text: String, names: &HashSet<String>) -> From {
    if names.contains(&text) {
        From::Image(text)
    } else if text == "scratch" {
        From::Scratch
    } else {
        From::External(text)
    }
}

/// The repositories of mappings with `url`; what is wrong with them otherwise, [`read_git`] tells.
fn read_remotes(reader: &mut Reader, node: &Node<'_>) -> BTreeMap<usize, GitRemote> {
    let mut remotes = BTreeMap::new();
    for (index, git) in maps(node, "git").into_iter().enumerate() {
        let Some(at) = value(git, "url") else {
            if let Some(at) = value(git, "basicAuth") {
                let hint = Some("add `url: URL`, or leave it out".to_owned());
                reader.mistake(at, "`basicAuth` of a mapping of this repository", hint);
            }
            continue;
        };
        let mut text = |key: &str| reader.text(git, key).filter(|text| !text.is_empty());
        let reference = match (text("branch"), text("tag"), text("commit")) {
            (_, _, Some(commit)) => GitReference::Commit(commit),
            (_, Some(tag), None) => GitReference::Tag(tag),
            (Some(branch), None, None) => GitReference::Branch(branch),
            (None, None, None) => GitReference::Default,
        };
        let auth = read_auth(reader, git);
        if let Some(url) = reader.text(git, "url") {
            let remote = GitRemote {
                url,
                reference,
                auth,
                line: at.line + reader.lines_before,
                column: at.column,
            };
            remotes.insert(index, remote);
        }
    }
    remotes
}

fn read_git(reader: &mut Reader, node: &Node<'_>) -> GitMapping {
    let url = value(node, "url");
    if let Some(at) = value(node, "branch").or(url)
        && url.is_some()
        && value(node, "tag").is_none()
        && value(node, "commit").is_none()
    {
        reader.external(at, ExternalKind::GitBranch);
    }
    let versions: Vec<&str> = ["branch", "tag", "commit"]
        .into_iter()
        .filter(|key| value(node, key).is_some())
        .collect();
    if let Some(key) = versions.first()
        && (url.is_none() || versions.len() > 1)
    {
        let at = value(node, key).unwrap_or(node);
        let (message, hint) = match url {
            None => (
                format!("`{key}` of a mapping of this repository"),
                "this repository is taken at the commit: leave it out, or add `url: URL`".to_owned(),
            ),
            Some(_) => (
                format!("a mapping has {}", versions.join(" and ")),
                "keep one of them".to_owned(),
            ),
        };
        reader.mistake(at, message, Some(hint));
    }
    let stages = value(node, "stageDependencies").map(|stages| StageDependencies {
        install: reader.texts(stages, "install").unwrap_or_default(),
        before_setup: reader.texts(stages, "beforeSetup").unwrap_or_default(),
        setup: reader.texts(stages, "setup").unwrap_or_default(),
    });
    let add = value(node, "add").and_then(|_| absolute(reader, node, "add", "a git mapping"));
    let mut globs = |key: &str| {
        let globs = reader.texts(node, key).unwrap_or_default();
        if let Some(glob) = globs
            .iter()
            .find(|glob| glob.starts_with('/') || glob.split('/').any(|part| part == ".."))
        {
            let at = value(node, key).unwrap_or(node);
            reader.mistake(at, format!("`{glob}` of `{key}` must be relative to `add`"), None);
        }
        globs
    };
    let (include_paths, exclude_paths) = (globs("includePaths"), globs("excludePaths"));
    GitMapping {
        add: add.unwrap_or_else(|| "/".to_owned()),
        to: absolute(reader, node, "to", "a git mapping").unwrap_or_default(),
        owner: reader.text(node, "owner"),
        group: reader.text(node, "group"),
        include_paths,
        exclude_paths,
        stage_dependencies: stages.unwrap_or_default(),
        hermetic: reader.boolean(node, "hermetic").unwrap_or_default(),
    }
}

fn read_shell(reader: &mut Reader, node: &Node<'_>) -> Shell {
    Shell {
        before_install: reader.strings(node, "beforeInstall").unwrap_or_default(),
        install: reader.strings(node, "install").unwrap_or_default(),
        before_setup: reader.strings(node, "beforeSetup").unwrap_or_default(),
        setup: reader.strings(node, "setup").unwrap_or_default(),
        cache_version: reader.text(node, "cacheVersion"),
        before_install_cache_version: reader.text(node, "beforeInstallCacheVersion"),
        install_cache_version: reader.text(node, "installCacheVersion"),
        before_setup_cache_version: reader.text(node, "beforeSetupCacheVersion"),
        setup_cache_version: reader.text(node, "setupCacheVersion"),
    }
}

fn read_import(reader: &mut Reader, node: &Node<'_>, names: &HashSet<String>) -> Option<Import> {
    let given: Vec<(&str, String)> = ["from", "image", "artifact"]
        .into_iter()
        .filter_map(|key| Some((key, reader.text(node, key)?)))
        .collect();
    let [(key, name)] = given.as_slice() else {
        reader.mistake(
            node,
            "an import needs one source",
            Some("add `from: IMAGE`".to_owned()),
        );
        return None;
    };
    let from = if *key == "from" || (*key == "image" && is_external(name)) {
        source(name.clone(), names)
    } else {
        From::Image(name.clone())
    };
    if matches!(from, From::External(_)) && !is_external(name) {
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        let hint = match nearest_name(&known, name) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("name an image of the file, or one of a registry with its tag: `{name}:TAG`"),
        };
        let at = value(node, key).unwrap_or(node);
        reader.mistake(at, format!("image `{name}` is not in the file"), Some(hint));
    }
    if from == From::Scratch {
        let hint = Some("name an image that has the files".to_owned());
        reader.mistake(node, "an import from `scratch`, which has no files", hint);
    }
    let stage = read_stage(reader, node, &from);
    let include_paths = reader.texts(node, "includePaths").unwrap_or_default();
    let add = absolute(reader, node, "add", "an import");
    if add.as_deref() == Some("/") && include_paths.is_empty() {
        let hint = Some("name the files by `includePaths`".to_owned());
        reader.mistake(node, "an import of `/` would take the whole image", hint);
    }
    let to = match value(node, "to") {
        Some(_) => absolute(reader, node, "to", "an import"),
        None => add.clone(),
    };
    let import = Import {
        from,
        stage,
        add: add?,
        to: to?,
        owner: reader.text(node, "owner"),
        group: reader.text(node, "group"),
        include_paths,
        exclude_paths: reader.texts(node, "excludePaths").unwrap_or_default(),
        position: position(reader, node, "an import")?,
    };
    Some(import)
}

fn read_stage(reader: &mut Reader, node: &Node<'_>, from: &From) -> Option<UserStage> {
    let name = reader.text(node, "stage")?;
    let at = value(node, "stage").unwrap_or(node);
    let stage = UserStage::parse(&name);
    if stage.is_none() {
        let hint = Some("write beforeInstall, install, beforeSetup or setup".to_owned());
        reader.mistake(at, format!("`{name}` is no stage"), hint);
    } else if matches!(from, From::External(_)) {
        let hint = Some("leave `stage` out".to_owned());
        reader.mistake(at, "an image of a registry has no stages", hint);
    }
    stage
}

fn read_dependencies(reader: &mut Reader, node: &Node<'_>) -> Vec<EnvDependency> {
    let mut dependencies = Vec::new();
    let mut targets = std::collections::HashSet::new();
    for dependency in maps(node, "dependencies") {
        let mut imports = Vec::new();
        for import in maps(dependency, "imports") {
            let part = name_part(reader, import);
            let target = reader.required(import, "targetEnv", "an import of `dependencies`");
            if let (Some(part), Some(target_env)) = (part, target) {
                if !targets.insert(target_env.clone()) {
                    reader.mistake(
                        import,
                        format!("`targetEnv: {target_env}` stands twice"),
                        Some("keep one of them".into()),
                    );
                }
                imports.push(EnvImport { part, target_env });
            }
        }
        let image = dependency_image(reader, dependency);
        let position = position(reader, dependency, "a dependency");
        if let (Some(image), Some(position)) = (image, position) {
            dependencies.push(EnvDependency {
                image,
                position,
                imports,
            });
        }
    }
    dependencies
}

fn dependency_image(reader: &mut Reader, node: &Node<'_>) -> Option<String> {
    let key = if value(node, "from").is_some() {
        "from"
    } else {
        "image"
    };
    reader.required(node, key, "a dependency")
}

fn name_part(reader: &mut Reader, node: &Node<'_>) -> Option<NamePart> {
    let text = reader.required(node, "type", "an import of `dependencies`")?;
    let part = match text.as_str() {
        "ImageName" => NamePart::ImageName,
        "ImageRepo" => NamePart::ImageRepo,
        "ImageTag" => NamePart::ImageTag,
        "ImageID" => NamePart::ImageId,
        "ImageDigest" => NamePart::ImageDigest,
        _ => {
            let hint = Some("write ImageName, ImageRepo, ImageTag, ImageID or ImageDigest".to_owned());
            reader.mistake(node, format!("`{text}` is no part of an image's name"), hint);
            return None;
        }
    };
    Some(part)
}

fn position(reader: &mut Reader, node: &Node<'_>, what: &str) -> Option<Position> {
    let before = reader.text(node, "before");
    let after = reader.text(node, "after");
    let position = match (before.as_deref(), after.as_deref()) {
        (Some("install"), None) => Position::BeforeInstall,
        (Some("setup"), None) => Position::BeforeSetup,
        (None, Some("install")) => Position::AfterInstall,
        (None, Some("setup")) => Position::AfterSetup,
        _ => {
            let hint = Some(
                "add one of `before: install`, `after: install`, `before: setup`, `after: setup`".to_owned(),
            );
            reader.mistake(node, format!("{what} does not say when"), hint);
            return None;
        }
    };
    Some(position)
}

/// A path below the project.
fn relative(reader: &mut Reader, node: &Node<'_>, key: &str) -> Option<String> {
    let text = reader.text(node, key)?;
    let path = relative_path(&text);
    if path.is_none() {
        let at = value(node, key).unwrap_or(node);
        reader.mistake(
            at,
            format!("`{text}` leads out of the project"),
            Some("write a path relative to the project".into()),
        );
    }
    path
}

/// An absolute path in an image.
fn absolute(reader: &mut Reader, node: &Node<'_>, key: &str, what: &str) -> Option<String> {
    let text = reader.required(node, key, what)?;
    let is_absolute = text.starts_with('/');
    let path = relative_path(text.trim_start_matches('/')).filter(|_| is_absolute);
    if path.is_none() {
        let at = value(node, key).unwrap_or(node);
        reader.mistake(
            at,
            format!("`{key}: {text}` of {what} is no absolute path"),
            Some(format!("write `{key}: /…`")),
        );
    }
    path.map(|path| format!("/{path}"))
}

/// Without `.`, empty parts and final slash; `None` for an absolute path or one that leads out.
pub(crate) fn relative_path(text: &str) -> Option<String> {
    if text.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop()?,
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
