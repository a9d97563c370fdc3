use super::*;
use crate::load::{Profile, load};
use crate::test_tree::TestTree;

const DEPENDENCIES: &str = "dependencies:\n";

/// A chart `c` whose `Chart.yaml` ends with `dependencies` and whose subcharts are `a` and `b`.
fn chart(dependencies: &str, values: &str, subcharts: &[(&str, &str)]) -> Chart {
    let main = format!("apiVersion: v2\nname: c\nversion: 1.0.0\n{DEPENDENCIES}{dependencies}");
    let mut files = vec![
        ("Chart.yaml".to_owned(), main),
        ("values.yaml".to_owned(), values.to_owned()),
    ];
    for (name, values) in subcharts {
        let head = format!("apiVersion: v2\nname: {name}\nversion: 1.2.3\n");
        files.push((format!("charts/{name}/Chart.yaml"), head));
        files.push((format!("charts/{name}/values.yaml"), (*values).to_owned()));
    }
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    load(&TestTree::new("c", &files), "c", &Profile::Helm).expect("a chart")
}

/// The final values, as JSON, or the error.
fn processed(chart: &Chart, user: &str) -> String {
    let user = Value::from_json(&crate::yaml::to_json(user.as_bytes()).expect("YAML"));
    let user = user.as_map().cloned().unwrap_or_default();
    let mut tree = Tree::new(chart);
    let outcome = tree
        .process_dependencies(&user)
        .and_then(|()| Coalescer::new(&tree).values(tree.root(), &user, Nulls::Remove));
    match outcome {
        Ok(values) => Value::Map(values).to_json().to_string(),
        Err(error) => error.to_string(),
    }
}

#[track_caller]
fn check_values(chart: &Chart, user: &str, want: &str) {
    assert_eq!(processed(chart, user), want);
}

/// The names of the charts that take part.
#[track_caller]
fn check_enabled(dependencies: &str, user: &str, want: &[&str]) {
    let chart = chart(dependencies, "", &[("a", "x: 1\n"), ("b", "w: 2\n")]);
    let user = Value::from_json(&crate::yaml::to_json(user.as_bytes()).expect("YAML"));
    let mut tree = Tree::new(&chart);
    tree.process_dependencies(&user.as_map().cloned().unwrap_or_default())
        .expect("dependencies");
    let names: Vec<_> = tree
        .node(tree.root())
        .children
        .iter()
        .map(|child| tree.name(*child))
        .collect();
    assert_eq!(names, want);
}

#[test]
fn conditions_tags_and_aliases() {
    check_enabled("- {name: b, version: 1.x.x}\n", "", &["a", "b"]);
    check_enabled(
        "- {name: a, version: 2.x.x}\n- {name: b, version: ^1.0.0}\n",
        "",
        &["a", "b"],
    );
    check_enabled(
        "- {name: a, version: \">0\", condition: a.enabled}\n",
        "a: {enabled: false}",
        &["b"],
    );
    check_enabled(
        "- {name: a, version: \">0\", condition: \"x.y,a.act\"}\n",
        "a: {act: false}",
        &["b"],
    );
    check_enabled(
        "- {name: a, version: \">0\", tags: [t, u]}\n",
        "tags: {t: false}",
        &["b"],
    );
    check_enabled(
        "- {name: a, version: \">0\", tags: [t, u]}\n",
        "tags: {t: false, u: true}",
        &["b", "a"],
    );
    check_enabled(
        "- {name: a, version: \">0\", tags: [t], condition: a.act}\n",
        "tags: {t: false}\na: {act: true}",
        &["b", "a"],
    );
    check_enabled(
        "- {name: a, version: \">0\", alias: one}\n- {name: a, version: \">0\", alias: two}\n",
        "",
        &["b", "one", "two"],
    );
}

#[test]
fn values_go_down_and_globals_win() {
    let chart = chart(
        "- {name: a, version: \">0\"}\n",
        "a: {x: parent, global: {g: below}}\nglobal: {g: above, t: {k: 1}}\n",
        &[("a", "x: own\nw: own\nglobal: {h: sub, t: {l: 2}}\n")],
    );
    check_values(
        &chart,
        "a: {w: user}",
        r#"{"a":{"global":{"g":"above","h":"sub","t":{"k":1,"l":2}},"w":"user","x":"parent"},"global":{"g":"above","t":{"k":1}}}"#,
    );
}

#[test]
fn nulls_remove_defaults() {
    let chart = chart(
        "- {name: a, version: \">0\"}\n",
        "k: {l: 1, m: 2, o: null}\nt: 1\n",
        &[("a", "x: {w: 1, z: 2}\n")],
    );
    check_values(
        &chart,
        "k: {l: null}\nt: null\nother: null\na: {x: {w: null}}",
        r#"{"a":{"global":{},"x":{"z":2}},"k":{"m":2,"o":null},"other":null}"#,
    );
}

#[test]
fn imports_come_from_below_and_lose_to_the_parent() {
    let chart = chart(
        "- name: a\n  version: \">0\"\n  import-values: [data, {child: deep.er, parent: to}]\n",
        "p: parent\n",
        &[("a", "exports: {data: {p: child, q: child}}\ndeep: {er: {r: 1}}\n")],
    );
    check_values(
        &chart,
        "",
        r#"{"a":{"deep":{"er":{"r":1}},"exports":{"data":{"p":"child","q":"child"}},"global":{}},"p":"parent","q":"child","to":{"r":1}}"#,
    );
}

#[test]
fn a_scalar_where_a_subchart_has_its_values_is_an_error() {
    let chart = chart("- {name: a, version: \">0\"}\n", "a: text\n", &[("a", "x: 1\n")]);
    check_values(&chart, "", "type mismatch on a: %!t(string=text)");
}
