//! Mistakes that charts are made with, and what is said about them: `docs/chart-errors.md` is made from these cases.
//!
//! `KIEL_UPDATE_MESSAGES=1` writes the page anew.

#[allow(dead_code, reason = "shared with tests that need more of it")]
mod support;

use std::path::Path;

use anyhow::Result;
use kiel_chart::{Profile, ValuesFile, ValuesInput, explain, load};
use support::Folder;

/// Title, files of the chart `app`, `--set` flags.
type Mistake = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
);

const MISTAKES: &[Mistake] = &[
    (
        "A parent is not set",
        &[
            ("values.yaml", "name: web\nimage:\n"),
            ("templates/pod.yaml", "spec:\n  image: {{ .Values.image.tag }}\n"),
        ],
        &[],
    ),
    (
        "A number where a text is wanted",
        &[
            ("values.yaml", "name: web\npassword: 1234\n"),
            (
                "templates/secret.yaml",
                "data:\n  password: {{ .Values.password | b64enc }}\n",
            ),
        ],
        &[],
    ),
    (
        "A number of a values file compared with a whole number",
        &[
            ("values.yaml", "replicas: 3\n"),
            (
                "templates/a.yaml",
                "{{ if gt .Values.replicas 1 }}\nmany: true\n{{ end }}\n",
            ),
        ],
        &[],
    ),
    (
        "A text compared with a number, in a dependency with an alias",
        &[
            (
                "Chart.yaml",
                "apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies:\n- {name: db, version: 1.0.0, alias: main}\n",
            ),
            (
                "charts/db/Chart.yaml",
                "apiVersion: v2\nname: db\nversion: 1.0.0\n",
            ),
            ("charts/db/values.yaml", "port: http\n"),
            (
                "charts/db/templates/a.yaml",
                "{{ if gt .Values.port 1024 }}\nhigh: true\n{{ end }}\n",
            ),
        ],
        &[],
    ),
    (
        "A function that does not exist",
        &[("templates/a.yaml", "a: {{ .Values.a | toYml }}\n")],
        &[],
    ),
    (
        "A named template that does not exist",
        &[
            (
                "templates/_helpers.tpl",
                "{{ define \"app.labels\" }}a: b{{ end }}\n",
            ),
            (
                "templates/a.yaml",
                "metadata:\n  labels: {{ include \"app.label\" . }}\n",
            ),
        ],
        &[],
    ),
    (
        "A mistake in an included template",
        &[
            ("values.yaml", "db:\n  host: here\n"),
            (
                "templates/_helpers.tpl",
                "{{ define \"app.url\" }}\nurl: {{ .Values.db.port.number }}\n{{ end }}\n",
            ),
            (
                "templates/_more.tpl",
                "{{ define \"app.env\" }}{{ include \"app.url\" . }}{{ end }}\n",
            ),
            (
                "templates/a.yaml",
                "env:\n  {{- include \"app.env\" . | nindent 2 }}\n",
            ),
        ],
        &[],
    ),
    (
        "A block without its end",
        &[("templates/a.yaml", "{{ if .Values.on }}\na: 1\n")],
        &[],
    ),
    (
        "A variable beyond its block",
        &[(
            "templates/a.yaml",
            "{{ if true }}{{ $name := \"x\" }}{{ end }}\na: {{ $name }}\n",
        )],
        &[],
    ),
    (
        "A name with a dash",
        &[
            ("values.yaml", "node-selector: {}\n"),
            ("templates/a.yaml", "a: {{ .Values.node-selector }}\n"),
        ],
        &[],
    ),
    (
        "Lines behind a key",
        &[
            ("values.yaml", "resources:\n  limits:\n    cpu: 1\n"),
            (
                "templates/a.yaml",
                "kind: Pod\nspec:\n  resources: {{ toYaml .Values.resources }}\n",
            ),
        ],
        &[],
    ),
    (
        "A text that is read as a map",
        &[
            ("values.yaml", "note: \"see: there\"\n"),
            (
                "templates/a.yaml",
                "kind: ConfigMap\ndata:\n  note: {{ .Values.note }}\n",
            ),
        ],
        &[],
    ),
    (
        "A value that the schema refuses, set by a flag",
        &[
            ("values.yaml", "port: 80\n"),
            (
                "values.schema.json",
                "{\"properties\":{\"port\":{\"type\":\"integer\"}}}",
            ),
            ("templates/a.yaml", "a: 1\n"),
        ],
        &["port=http"],
    ),
    (
        "A loop over a single value",
        &[
            ("values.yaml", "hosts: example.com\n"),
            (
                "templates/a.yaml",
                "hosts:\n{{- range .Values.hosts }}\n- {{ . }}\n{{- end }}\n",
            ),
        ],
        &[],
    ),
    (
        "A field of a text",
        &[
            ("values.yaml", "image: nginx\n"),
            ("templates/a.yaml", "image: {{ .Values.image.repository }}\n"),
        ],
        &["image=busybox"],
    ),
    (
        "A template that includes itself",
        &[(
            "templates/a.yaml",
            "{{ define \"a\" }}{{ include \"a\" . }}{{ end }}a: {{ include \"a\" . }}\n",
        )],
        &[],
    ),
];

fn said((title, files, flags): &Mistake) -> Result<String> {
    let dir = tempfile::tempdir()?;
    let metadata = [("Chart.yaml", "apiVersion: v2\nname: app\nversion: 1.0.0\n")];
    for (name, text) in metadata.iter().chain(*files) {
        let path = dir.path().join("app").join(name);
        fs_err::create_dir_all(path.parent().unwrap_or(dir.path()))?;
        fs_err::write(path, text)?;
    }
    let mut args = Vec::new();
    for flag in *flags {
        args.extend(["--set".to_owned(), (*flag).to_owned()]);
    }
    let arguments = support::Arguments::parse(dir.path(), &args)?;
    let chart = load(&Folder(dir.path().to_owned()), "app", &Profile::Helm)?;
    let error = arguments.try_render(&chart).err();
    let error = error.ok_or_else(|| anyhow::anyhow!("{title}: no error"))?;
    let text = error.to_string();
    // What repeats a thousand times is not shown.
    let text = if text.len() > 1_000 {
        format!("{}…", &text[..300])
    } else {
        text
    };
    let values = ValuesInput {
        set: flags.iter().map(|flag| (*flag).to_owned()).collect(),
        ..ValuesInput::default()
    };
    Ok(format!(
        "Error: {}\n{}",
        text.trim_end(),
        explain(&error, &chart, &values)
    ))
}

#[test]
fn the_page_shows_what_is_said() -> Result<()> {
    let mut page = String::from(
        "# Mistakes in charts\n\nWhat kiel says about a chart that cannot be rendered, on a terminal: Helm's own text first, the \
         same as Helm prints it, then the place, the way there, where the value was set, and a hint. Elsewhere, as in a pipe, \
         only Helm's text is printed. This page is made from the cases of `chart/tests/explain.rs`; to make it anew: \
         `KIEL_UPDATE_MESSAGES=1 cargo xtask test the_page_shows_what_is_said`.\n",
    );
    for mistake in MISTAKES {
        page.push_str(&format!("\n## {}\n\n", mistake.0));
        for (name, text) in mistake.1 {
            if *name != "values.schema.json" {
                page.push_str(&format!("`{name}`\n\n```yaml\n{}\n```\n\n", text.trim_end()));
            }
        }
        for flag in mistake.2 {
            page.push_str(&format!("`--set {flag}`\n\n"));
        }
        page.push_str(&format!("```text\n{}\n```\n", said(mistake)?.trim_end()));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/chart-errors.md");
    #[expect(clippy::disallowed_methods, reason = "a test's environment is its input")]
    if std::env::var_os("KIEL_UPDATE_MESSAGES").is_some() {
        fs_err::write(&path, &page)?;
    }
    assert_eq!(
        fs_err::read_to_string(path)?,
        page,
        "docs/chart-errors.md is out of date"
    );
    Ok(())
}

#[test]
fn values_are_found_where_they_were_set_last() -> Result<()> {
    let dir = tempfile::tempdir()?;
    for (name, text) in [
        ("app/Chart.yaml", "apiVersion: v2\nname: app\nversion: 1.0.0\n"),
        ("app/values.yaml", "a: 1\n\ndb:\n  user: x\n"),
        (
            "app/charts/db/Chart.yaml",
            "apiVersion: v2\nname: db\nversion: 1.0.0\n",
        ),
        ("app/charts/db/values.yaml", "user: y\nport: 1\n"),
    ] {
        let path = dir.path().join(name);
        fs_err::create_dir_all(path.parent().unwrap_or(dir.path()))?;
        fs_err::write(path, text)?;
    }
    let chart = load(&Folder(dir.path().to_owned()), "app", &Profile::Helm)?;
    let values = ValuesInput {
        files: vec![ValuesFile {
            name: "prod.yaml".into(),
            content: b"c:\n  d: 2\n".to_vec(),
        }],
        set: vec!["x=1,e.f=2".into()],
        ..ValuesInput::default()
    };
    for (path, want) in [
        ("a", Some("values.yaml:1")),
        ("db.user", Some("values.yaml:4")),
        ("db.port", Some("charts/db/values.yaml:2")),
        ("c.d", Some("prod.yaml:2")),
        ("e.f", Some("--set e.f")),
        ("e.f.g", Some("--set e.f")),
        ("none", None),
    ] {
        let names: Vec<String> = path.split('.').map(str::to_owned).collect();
        assert_eq!(
            kiel_chart::find_value(&chart, &values, &names).as_deref(),
            want,
            "{path}"
        );
    }
    Ok(())
}
