use super::*;

/// Answers of the Go original; the file's first line names it.
const TABLE: &str = include_str!("../../../tests/golden/git/path_filter.tsv");

fn filter(include: &str, exclude: &str) -> PathFilter {
    let list = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    PathFilter::new(&list(include), &list(exclude)).expect("globs")
}

#[test]
fn answers_like_the_original_and_prunes_nothing_that_counts() {
    let mut cases = 0;
    for line in TABLE.lines().skip(1) {
        let [include, exclude, path, want] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let filter = filter(include, exclude);
        assert_eq!(filter.matches(path).to_string(), want, "{line}");
        if want == "true" {
            for (end, _) in path.match_indices('/') {
                assert!(
                    filter.may_match_below(&path[..end]),
                    "{line} prunes {}",
                    &path[..end]
                );
            }
        }
        cases += 1;
    }
    assert!(cases > 900, "{cases}");
}

#[test]
fn prunes_what_cannot_match() {
    assert!(!filter("app/src", "").may_match_below("lib"));
    assert!(filter("app/src", "").may_match_below("app"));
    assert!(filter("**/x", "").may_match_below("lib"));
    assert!(!filter("", "**/node_modules").may_match_below("a/node_modules"));
}

#[test]
fn a_wrong_glob_is_named_as_written() {
    let error = PathFilter::new(&["app/[a"], &[]).expect_err("an open class");
    assert_eq!(
        error.to_string(),
        "cannot read the pattern `app/[a`: `[` has no `]`"
    );
}
