//! Charts made to exhaust whoever renders them end in an error that names the place, with little memory and work.

#![cfg(target_os = "linux")]

#[path = "support/memory.rs"]
mod memory;
mod support;

use std::path::Path;

use anyhow::{Context as _, Result};
use memory::peak_memory;

fn write(dir: &Path, name: &str, text: &str) -> Result<()> {
    let path = dir.join(name);
    if let Some(parent) = path.parent() {
        fs_err::create_dir_all(parent)?;
    }
    Ok(fs_err::write(path, text)?)
}

/// Renders a chart with this template, these values and the file `b`.
fn render(template: &str, values: &str, file: &str) -> Result<Result<String, String>> {
    let dir = tempfile::tempdir()?;
    let chart = dir.path().join("c");
    write(&chart, "Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n")?;
    write(&chart, "templates/t.yaml", template)?;
    write(&chart, "values.yaml", values)?;
    write(&chart, "b", file)?;
    let arguments = support::Arguments::parse(dir.path(), &[])?;
    // Frames of debug builds are large.
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(16 << 20);
        let thread = thread.spawn_scoped(scope, || arguments.template(dir.path(), "c"))?;
        thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))
    })
}

fn check(failures: &mut Vec<String>, template: &str, values: &str, file: &str, want: &[&str]) -> Result<()> {
    let got = render(template, values, file)?;
    let text = match &got {
        Ok(text) | Err(text) => text,
    };
    if !want.iter().all(|part| text.contains(part)) || got.is_ok() {
        let shown: String = template.chars().take(80).collect();
        let got: String = format!("{got:?}").chars().take(300).collect();
        failures.push(format!("{shown}\n want {want:?}\n got  {got}"));
    }
    Ok(())
}

#[test]
fn charts_that_never_end_are_refused_with_their_place() -> Result<()> {
    let place = "c/templates/t.yaml:1:";
    let steps = "exceeded maximum number of steps";
    let limit = "longer than the limit of";
    let doubling: String = (0..40)
        .map(|at| {
            let next = at + 1;
            format!(r#"{{{{ define "r{at}" }}}}{{{{ include "r{next}" . }}}}{{{{ include "r{next}" . }}}}{{{{ end }}}}"#)
        })
        .collect();
    let doubling = format!(r#"{doubling}{{{{ define "r40" }}}}x{{{{ end }}}}{{{{ include "r0" . }}}}"#);
    let nested = "rendering template has a nested reference name";
    let cases: &[(&str, &str, &[&str])] = &[
        (
            r#"{{ define "r" }}{{ include "r" . }}{{ end }}{{ include "r" . }}"#,
            "",
            &[place, nested],
        ),
        (
            r#"{{ define "a" }}{{ include "b" . }}{{ end }}{{ define "b" }}{{ include "a" . }}{{ end }}{{ include "a" . }}"#,
            "",
            &[place, nested],
        ),
        (
            r#"{{ define "r" }}{{ template "r" . }}{{ end }}{{ template "r" . }}"#,
            "",
            &[place, "exceeded maximum template depth"],
        ),
        (
            "{{ tpl .Values.t . }}",
            r#"t: "{{ tpl .Values.t . }}""#,
            &[place, "tpl is nested too deeply"],
        ),
        (&doubling, "", &[place, steps]),
        ("{{ range 9223372036854775807 }}{{ end }}", "", &[place, steps]),
        (
            "{{ range 9223372036854775807 }}xxxxxxxxxxxxxxxxxxxxxxxx{{ end }}",
            "",
            &[place, "output is", limit],
        ),
        (r#"{{ repeat 2000000000 "x" }}"#, "", &[place, "overflow"]),
        (
            r#"{{ $x := "xx" }}{{ range until 40 }}{{ $x = repeat 10 $x }}{{ end }}"#,
            "",
            &[place, "overflow"],
        ),
        (
            "{{ $x := list 1 }}{{ range until 40 }}{{ $x = concat $x $x }}{{ end }}",
            "",
            &[place, limit],
        ),
        (
            r#"{{ $x := "xx" }}{{ range until 40 }}{{ $x = print $x $x }}{{ end }}"#,
            "",
            &[place, limit],
        ),
        (
            "{{ until 2000000000 }}",
            "",
            &[place, "makeslice: len out of range"],
        ),
        (
            "{{ seq 1 2000000000 }}",
            "",
            &[place, "makeslice: len out of range"],
        ),
        (
            "{{ untilStep 0 2000000000 1 }}",
            "",
            &[place, "makeslice: len out of range"],
        ),
        (r#"{{ repeat 100000 "\n" | indent 100000 }}"#, "", &[place, limit]),
        (
            r#"{{ $x := repeat 100000 "a" }}{{ replace "a" $x $x }}"#,
            "",
            &[place, limit],
        ),
        ("{{ randAlphaNum 2000000000 }}", "", &[place, "len out of range"]),
        ("{{ randBytes 2000000000 }}", "", &[place, "len out of range"]),
        (
            r#"{{ regexMatch "((a{100}){100}){100}" "a" | fail }}"#,
            "",
            &[place],
        ),
        // What is kept while more is made.
        (
            r#"{{ $d := dict }}{{ range until 40 }}{{ $_ := set $d (toString .) (repeat 33000000 "x") }}{{ end }}"#,
            "",
            &[place, "are held at the same time, more than the limit of"],
        ),
        (
            r#"{{ $d := dict }}{{ range until 1200 }}{{ $_ := set $d (toString .) (repeat 1000000 "x") }}{{ end }}"#,
            "",
            &[place, "are held at the same time, more than the limit of"],
        ),
        (
            "{{ $d := dict }}{{ range until 190 }}{{ $_ := set $d (toString .) (until 100000) }}{{ end }}",
            "",
            &[place, "are held at the same time, more than the limit of"],
        ),
        // What takes much longer than it looks.
        (
            r#"{{ $x := repeat 30000000 "a" }}{{ range until 100 }}{{ $y := sha256sum $x }}{{ end }}"#,
            "",
            &[place, steps],
        ),
        ("{{ $x := until 20000 }}{{ $y := uniq $x }}", "", &[place, steps]),
        (
            r#"{{ $x := until 1000000 }}{{ range until 100 }}{{ $y := has "a" $x }}{{ end }}"#,
            "",
            &[place, steps],
        ),
        (
            r#"{{ splitList "," (repeat 16000000 "a,") }}"#,
            "",
            &[place, limit],
        ),
        (
            r#"{{ $x := repeat 5000000 "a" }}{{ range until 9 }}{{ $y := replace "a" "b" $x }}{{ end }}"#,
            "",
            &[place, steps],
        ),
        (
            r#"{{ $x := printf "[%s1]" (repeat 100000 "{\"a\":1},") }}{{ range until 30 }}{{ $y := fromJsonArray $x }}{{ end }}"#,
            "",
            &[place, steps],
        ),
        (r#"{{ split "," (repeat 1900000 "a,") }}"#, "", &[place, steps]),
        (
            r#"{{ splitn "," 9000000 (repeat 1900000 "a,") }}"#,
            "",
            &[place, steps],
        ),
        (
            r#"{{ $x := repeat 5000000 "a" }}{{ $y := regexReplaceAll "a" $x "<$0>" }}"#,
            "",
            &[place, steps],
        ),
        (
            r#"{{ $x := repeat 400 "a" }}{{ range until 9 }}{{ $x = regexReplaceAll "a" $x "aaaaaaaaaaaaaaaaaaaa" }}{{ end }}"#,
            "",
            &[place, limit],
        ),
        (
            r#"{{ $x := printf "[%s1]" (repeat 1500000 "1,") }}{{ range until 9 }}{{ $y := fromJsonArray $x }}{{ end }}"#,
            "",
            &[place, steps],
        ),
        (
            r#"{{ range until 9 }}{{ $x := genPrivateKey "rsa" }}{{ end }}"#,
            "",
            &[place, "too many keys and passwords are made"],
        ),
        (
            r#"{{ range until 60 }}{{ $x := genCA "a" 3 }}{{ end }}"#,
            "",
            &[place, "too many keys and passwords are made"],
        ),
        (r#"{{ fromYaml (repeat 3000000 "a: 1\n") }}"#, "", &[place, limit]),
        (
            r#"{{ fromJsonArray (printf "[%s1]" (repeat 16000000 "1,")) }}"#,
            "",
            &[place, limit],
        ),
        (
            r#"{{ range until 100000 }}---{{ "\n" }}a: {{ . }}{{ "\n" }}{{ end }}---{{ "\n" }}b: 1"#,
            "",
            &["c/templates/t.yaml", "more documents than the limit of"],
        ),
    ];
    let mut failures = Vec::new();
    for (template, values, want) in cases {
        check(&mut failures, template, values, "", want)?;
    }
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(20_000), close.repeat(20_000));
    check(
        &mut failures,
        &format!("{{{{ {} }}}}", deep("(", ")").replace(")(", "")),
        "",
        "",
        &["c/templates/t.yaml:1", "max expression depth"],
    )?;
    check(
        &mut failures,
        "a",
        &format!("a: {}", deep("[", "]")),
        "",
        &["values.yaml", "depth"],
    )?;
    check(
        &mut failures,
        "a",
        &format!("a: {}", deep("{a: ", "}")),
        "",
        &["values.yaml", "depth"],
    )?;
    for (function, open, close) in [("mustFromJson", "[", "]"), ("mustFromJson", "{\"a\":", "}")] {
        let template = format!("{{{{ {function} (.Files.Get \"b\") }}}}");
        check(&mut failures, &template, "", &deep(open, close), &[place])?;
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    // Debug builds take a multiple of a release's stack, and the tests of this file share a process.
    let peak = peak_memory()?;
    assert!(peak < 512 * 1024, "{peak} KiB");
    Ok(())
}

/// No template of these is large by itself.
#[test]
fn all_templates_together_are_bounded() -> Result<()> {
    for (template, want) in [
        (
            r#"a: "{{ repeat 30000000 "x" }}""#,
            "the output of all templates is longer than the limit of",
        ),
        (
            r#"{{ $_ := set .Values .Template.Name (repeat 33000000 "x") }}"#,
            "are held at the same time, more than the limit of",
        ),
    ] {
        let dir = tempfile::tempdir()?;
        let chart = dir.path().join("c");
        write(&chart, "Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n")?;
        for number in 0..30 {
            write(&chart, &format!("templates/t{number:02}.yaml"), template)?;
        }
        let got = support::Arguments::parse(dir.path(), &[])?.template(dir.path(), "c");
        let error = got.err().context("it is rendered")?;
        assert!(error.contains(want) && error.contains("c/templates/t"), "{error}");
    }
    Ok(())
}

/// As are the lists of all flags.
#[test]
fn lists_of_flags_are_bounded() -> Result<()> {
    let dir = tempfile::tempdir()?;
    write(
        dir.path(),
        "c/Chart.yaml",
        "apiVersion: v2\nname: c\nversion: 1.0.0\n",
    )?;
    for (count, is_refused) in [(20, false), (40, true)] {
        let flags = (0..count).map(|at| format!("--set=a{at}[65000]=1"));
        let got =
            support::Arguments::parse(dir.path(), &flags.collect::<Vec<_>>())?.template(dir.path(), "c");
        let refused = got
            .as_ref()
            .is_err_and(|error| error.contains("more than the limit of 2000000 items"));
        assert_eq!(refused, is_refused, "{got:?}");
    }
    Ok(())
}

/// Schemas whose work is not in the number of schemas.
#[test]
fn schemas_that_compare_much_end() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let chart = dir.path().join("c");
    write(&chart, "Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n")?;
    write(&chart, "templates/t.yaml", "a: 1")?;
    let items: Vec<_> = (0..100_000).map(|n| format!("[{n}]")).collect();
    let patterns: Vec<_> = (0..5_000).map(|n| format!("\"a{n}.*b\":{{}}")).collect();
    for (schema, values, want) in [
        (
            r#"{"properties":{"a":{"uniqueItems":true}}}"#.to_owned(),
            format!("a: [{}]", items.join(",")),
            "",
        ),
        (
            format!("{{\"patternProperties\":{{{}}}}}", patterns.join(",")),
            "a: 1".to_owned(),
            "too many steps",
        ),
    ] {
        write(&chart, "values.yaml", &values)?;
        write(&chart, "values.schema.json", &schema)?;
        let manifests = support::Arguments::parse(dir.path(), &[])?.render(dir.path(), "c");
        let warnings = manifests.map_err(anyhow::Error::msg)?.warnings;
        let warnings: String = warnings.iter().map(kiel_chart::Warning::text).collect();
        assert_eq!(
            warnings.contains("too many steps"),
            !want.is_empty(),
            "{warnings}"
        );
    }
    Ok(())
}

#[test]
fn values_that_hold_themselves_are_cut() -> Result<()> {
    let cycle = r#"{{ $d := dict }}{{ $_ := set $d "self" $d }}"#;
    for end in [
        "{{ toYaml $d }}",
        "{{ toJson $d }}",
        "{{ toToml $d | quote }}",
        "{{ toYamlPretty $d }}",
        "{{ $e := deepCopy $d }}",
        "{{ $e := merge (dict) $d }}",
        "# {{ deepEqual $d $d }}",
    ] {
        let got = render(&format!("{cycle}a: |\n  x{end}"), "", "")?;
        let text = got.unwrap_or_else(|error| error);
        assert!(text.len() < 1 << 20, "{end}: {} bytes", text.len());
    }
    Ok(())
}

#[test]
fn aliases_that_multiply_are_refused() -> Result<()> {
    let mut bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (last, next) in ('a'..='i').zip('b'..='j') {
        bomb.push_str(&format!(
            "{next}: &{next} [{}]\n",
            vec![format!("*{last}"); 9].join(",")
        ));
    }
    let got = render("a: 1", &bomb, "")?;
    assert!(
        got.as_ref()
            .is_err_and(|error| error.contains("excessive aliasing")),
        "{got:?}"
    );
    let got = render("a: {{ (fromYaml (.Files.Get \"b\")).Error | quote }}", "", &bomb)?;
    assert!(
        got.as_ref().is_ok_and(|text| text.contains("excessive aliasing")),
        "{got:?}"
    );
    Ok(())
}

#[test]
fn schemas_reach_no_file_and_end() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let chart = dir.path().join("c");
    write(&chart, "Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n")?;
    write(&chart, "templates/t.yaml", "a: 1")?;
    write(&chart, "values.yaml", "a: 1")?;
    let doubling: Vec<_> = (0..40)
        .map(|at| {
            let next = format!("{{\"$ref\":\"#/$defs/d{}\"}}", at + 1);
            format!("\"d{at}\":{{\"anyOf\":[{next},{next}]}}")
        })
        .collect();
    let doubling = format!(
        "{{\"$defs\":{{{},\"d40\":{{\"type\":\"string\"}}}},\"$ref\":\"#/$defs/d0\"}}",
        doubling.join(",")
    );
    for (schema, want) in [
        (
            r#"{"$ref":"file:///etc/passwd"}"#,
            "open /etc/passwd: no such file or directory",
        ),
        (
            r#"{"$ref":"https://example.invalid/x"}"#,
            "https://example.invalid/x",
        ),
        (r##"{"$ref":"#"}"##, "reference cycle"),
        (&doubling, "too many steps"),
    ] {
        write(&chart, "values.schema.json", schema)?;
        let told = match support::Arguments::parse(dir.path(), &[])?.render(dir.path(), "c") {
            Ok(manifests) => {
                let warnings = manifests.warnings.iter().map(kiel_chart::Warning::text);
                warnings.collect::<Vec<_>>().join("\n")
            }
            Err(text) => text,
        };
        assert!(told.contains(want), "{want}: {told}");
    }
    Ok(())
}
