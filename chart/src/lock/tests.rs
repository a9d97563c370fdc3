use super::*;
use crate::test_tree::TestTree;
use crate::{Profile, load};

fn chart(files: &[(&str, &str)]) -> Chart {
    load(&TestTree::new("c", files), "c", &Profile::Helm).unwrap()
}

/// The digest that Helm 3.21.4 has written for this file.
#[track_caller]
fn check(chart: &Chart, locked: &str, want: &str) {
    let requirements = &chart.metadata.dependencies;
    let locked = requirements.iter().map(|one| one.locked_at(locked)).collect();
    let lock = Lock::new(requirements, locked, "2024-01-02T03:04:05Z".to_owned());
    assert_eq!(lock.digest, want);
    let mut chart = chart.clone();
    chart.lock = Some(lock);
    assert_eq!(chart.check_lock(requirements), Ok(()));
    let mut changed = requirements.clone();
    changed.push(Dependency::default());
    assert!(chart.check_lock(&changed).is_err());
}

#[test]
fn digests_are_helms() {
    let new = chart(&[(
        "Chart.yaml",
        "apiVersion: v2
name: c
version: 1.0.0
dependencies:
- name: sub
  version: \">=1.0 <2\"
  repository: file://../sub
  condition: a.enabled,b&c
  tags: [x, \"y<z\"]
  alias: other
  import-values:
  - data
  - child: a
    parent: b
    n: 1.50
- name: sub
  version: ~1
  repository: file://../sub
",
    )]);
    check(
        &new,
        "1.2.3+b1",
        "sha256:bb209ab75d8f37631634368482fb3bf1c4af39d5860cebc749ebc1f9b284acb1",
    );
    let none = chart(&[(
        "Chart.yaml",
        "apiVersion: v2\nname: e\nversion: 1.0.0\ndependencies: []\n",
    )]);
    check(
        &none,
        "",
        "sha256:643d5437104296e21d906ecb15b2c96ad278f20cfc4af53b12bb6069bd853726",
    );
}

/// A chart of the first form whose lock file has this digest.
fn old(digest: &str) -> Chart {
    chart(&[
        ("Chart.yaml", "apiVersion: v1\nname: old\nversion: 1.0.0\n"),
        (
            "requirements.yaml",
            "dependencies:\n- name: sub\n  version: 1.x\n  repository: file://../sub\n  enabled: true\n",
        ),
        (
            "requirements.lock",
            &format!(
                "dependencies:\n- name: sub\n  version: 1.2.3+b1\n  repository: file://../sub\ndigest: sha256:{digest}\n"
            ),
        ),
    ])
}

#[test]
fn old_charts_may_have_the_digest_of_either_helm() {
    for digest in [
        "508d263c901531d12a6d2ebc3f6dd40fda53e8472eb8df9ea575249e6eb2b626",
        // Helm 3 builds by it, with a warning.
        "6f107795db9a79d56bfb6cf91c6169be6832bf704fc08a4a3b89527dfd378c05",
    ] {
        let chart = old(digest);
        assert_eq!(chart.check_lock(&chart.metadata.dependencies), Ok(()));
    }
    let chart = old("00");
    let error = chart.check_lock(&chart.metadata.dependencies).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the lock file (requirements.lock) is out of sync with the dependencies file (requirements.yaml). Please update the dependencies"
    );
}

#[test]
fn lock_files_are_written_as_by_helm() {
    let requirement = Dependency {
        name: "sub".to_owned(),
        version: "~1".to_owned(),
        repository: "file://../sub".to_owned(),
        alias: "other".to_owned(),
        ..Dependency::default()
    };
    let lock = Lock {
        generated: "2026-11-21T15:11:26.14056156Z".to_owned(),
        digest: "sha256:aa".to_owned(),
        dependencies: vec![requirement.locked_at("1.2.3+b1")],
    };
    assert_eq!(
        lock.to_yaml(),
        "dependencies:
- name: sub
  repository: file://../sub
  version: 1.2.3+b1
digest: sha256:aa
generated: \"2026-11-21T15:11:26.14056156Z\"
"
    );
}

#[test]
fn the_first_version_that_will_do_is_chosen() {
    let choose = |version: &str, versions: &[&'static str]| {
        let requirement = Dependency {
            name: "sub".to_owned(),
            version: version.to_owned(),
            ..Dependency::default()
        };
        requirement.choose(versions.iter().copied())
    };
    let versions = ["3.0.0-rc.1", "bad", "2.1.0", "2.0.0", "1.9.9"];
    assert_eq!(choose("^2", &versions), Ok(Some("2.1.0")));
    assert_eq!(choose(">=1-0", &versions), Ok(Some("3.0.0-rc.1")));
    assert_eq!(choose("~1.9", &versions), Ok(Some("1.9.9")));
    assert_eq!(choose("4", &versions), Ok(None));
    assert_eq!(
        choose("a b", &versions).unwrap_err().to_string(),
        "dependency \"sub\" has an invalid version/constraint format: improper constraint: \"a b\""
    );
}

#[test]
fn strict_versions_have_three_numbers() {
    for good in ["1.2.3", "0.0.0-rc.1+b"] {
        assert!(version::parse_strict(good).is_some(), "{good}");
    }
    for bad in ["1.2", "v1.2.3", "01.2.3", "1.2.3.4", "latest", ""] {
        assert!(version::parse_strict(bad).is_none(), "{bad}");
    }
}
