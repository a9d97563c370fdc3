use super::*;

/// Answers of the Go original; the file's first line names it.
const TABLE: &str = include_str!("../../../tests/golden/git/doublestar.tsv");

#[test]
fn answers_like_the_original() {
    let mut cases = 0;
    let mut wrong = Vec::new();
    for line in TABLE.lines().skip(1) {
        let [pattern, name, want] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let got = match Glob::new(pattern) {
            Ok(glob) => glob.matches(name).to_string(),
            Err(_) => "error".into(),
        };
        // The original finds some errors only when the name leads it there; here they are found when it is read.
        let wrong_pattern = || {
            TABLE
                .lines()
                .any(|line| line.starts_with(&format!("{pattern}\t")) && line.ends_with("\terror"))
        };
        if got != want && !(got == "error" && wrong_pattern()) {
            wrong.push(format!("{pattern:?} {name:?}: {got}, not {want}"));
        }
        cases += 1;
    }
    assert!(
        cases > 3000 && wrong.is_empty(),
        "{cases} cases\n{}",
        wrong.join("\n")
    );
}

#[test]
fn names_the_mistake() {
    for (pattern, reason) in [
        ("[a", "`[` has no `]`"),
        ("[]a]", "`[]` is empty"),
        ("{a", "`{` has no `}`"),
        ("a}", "`}` has no `{`"),
        (r"a\", "a backslash stands at its end"),
    ] {
        assert_eq!(
            Glob::new(pattern).expect_err(pattern),
            PatternError {
                pattern: pattern.into(),
                reason
            }
        );
    }
}

#[test]
fn alternatives_have_a_limit() {
    assert!(Glob::new(&"{a,b}".repeat(10)).is_ok());
    let error = Glob::new(&"{a,b}".repeat(40)).expect_err("2^40 alternatives");
    assert_eq!(error.reason, "it has too many alternatives");
}

#[test]
fn long_names_take_linear_time() {
    let glob = Glob::new(&format!("{}b", "*a".repeat(30))).expect("a pattern");
    assert!(!glob.matches(&"a".repeat(20_000)));
}

#[test]
fn folders_are_known_in_which_nothing_matches() {
    for (pattern, dir, want) in [
        ("images/*/{Dockerfile,werf.inc.yaml}", "images", true),
        ("images/*/{Dockerfile,werf.inc.yaml}", "images/app", true),
        ("images/*/{Dockerfile,werf.inc.yaml}", "images/app/src", false),
        ("images/*/{Dockerfile,werf.inc.yaml}", "other", false),
        ("*.yaml", "a", false),
        ("a*/b", "ab", true),
        ("a*/b", "b", false),
        ("**/*.yaml", "a/b/c", true),
        ("a/**", "a/b/c", true),
        ("a/**", "b", false),
        ("a/**/b", "a/x/y", true),
        ("a", "a", false),
        ("{a,b/c}/x", "b", true),
        ("{a,b/c}/x", "b/d", false),
        (".werf/*", "", true),
    ] {
        let glob = Glob::new(pattern).expect("a glob");
        assert_eq!(glob.may_match_below(dir), want, "{pattern} {dir}");
    }
}

#[test]
fn names_behind_all_folders_are_found_as_their_tokens_find_them() {
    for pattern in ["**/a", "**/a/b", "**/é.x", "**/ab", "{**/a,c/**/b}", "**/\\*"] {
        let glob = Glob::new(pattern).expect(pattern);
        assert!(
            glob.alternatives.iter().any(|one| one.anywhere.is_some()),
            "{pattern}"
        );
        let mut slow = glob.clone();
        for alternative in &mut slow.alternatives {
            alternative.anywhere = None;
        }
        for path in [
            "", "a", "b", "ab", "aab", "a/b", "x/a", "x/aa", "x/a/b", "a/b/c", "x/ab/y", "xa/b", "a/a/b/b",
            "é.x", "d/é.x/e", "*", "c/b", "c/x/b", "c/x/b/y", "/a", "a/", "x//a",
        ] {
            assert_eq!(glob.matches(path), slow.matches(path), "{pattern} {path}");
            assert_eq!(
                glob.matches_with_folders(path),
                slow.matches_with_folders(path),
                "{pattern} with the folders of {path}"
            );
        }
    }
}
