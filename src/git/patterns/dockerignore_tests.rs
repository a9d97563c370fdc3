use std::sync::Arc;

use super::*;

/// Answers of the Go original; the file's first line names it.
const TABLE: &str = include_str!("../../../tests/golden/git/dockerignore.tsv");

#[test]
fn answers_like_the_original_and_prunes_nothing_that_counts() {
    let mut cases = 0;
    let mut wrong = Vec::new();
    for line in TABLE.lines().skip(1) {
        let [file, path, want] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let rules = DockerIgnore::parse(file.replace("\\n", "\n").as_bytes());
        let got = rules
            .as_ref()
            .map_or("error".into(), |rules| rules.is_ignored(path).to_string());
        if got != want {
            wrong.push(format!("{file:?} {path:?}: {got}, not {want}"));
        }
        if let (Ok(rules), "false") = (&rules, want) {
            for (end, _) in path.match_indices('/') {
                assert!(
                    rules.may_match_below(&path[..end]),
                    "{line} prunes {}",
                    &path[..end]
                );
            }
        }
        cases += 1;
    }
    assert!(
        cases > 2500 && wrong.is_empty(),
        "{cases} cases\n{}",
        wrong.join("\n")
    );
}

/// Files with themselves as content.
struct Named(&'static [&'static str]);

impl FileTree for Named {
    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, FileError> {
        Ok(self
            .0
            .iter()
            .find(|name| **name == path)
            .map(|name| name.as_bytes().into()))
    }
    fn list(&self, _: &str) -> Result<Vec<String>, FileError> {
        Ok(self.0.iter().map(|name| (*name).to_owned()).collect())
    }
    fn is_dir(&self, _: &str) -> Result<bool, FileError> {
        Ok(false)
    }
}

#[test]
fn the_dockerfiles_own_rules_come_first() {
    let ignored = |files: &'static [&'static str], context: &str, name: &str| {
        DockerIgnore::load(&Named(files), context, "app/Dockerfile")
            .expect("rules")
            .is_ignored(name)
    };
    let (own, common) = ("app/Dockerfile.dockerignore", "app/.dockerignore");
    assert!(ignored(
        &["app/Dockerfile.dockerignore", "app/.dockerignore"],
        "app",
        own
    ));
    assert!(!ignored(
        &["app/Dockerfile.dockerignore", "app/.dockerignore"],
        "app",
        common
    ));
    assert!(ignored(&["app/.dockerignore"], "app", common));
    assert!(ignored(&[".dockerignore"], "", ".dockerignore"));
    assert!(!ignored(&[".dockerignore"], "app", ".dockerignore"));
}

#[test]
fn a_wrong_line_is_named_with_its_file() {
    let error = DockerIgnore::load(&Named(&["[a.dockerignore"]), "", "[a").expect_err("an open class");
    assert_eq!(error.to_string(), "cannot use the ignore file `[a.dockerignore`");
}
