//! Canaries: a project with secrets of many kinds goes through all commands, well and with mistakes that quote the secrets;
//! none of what is shown or written has one.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::KEY;
use super::harness::{Project, Run, unique, variable};

/// Values, by their keys.
const VALUES: &[(&str, &str)] = &[
    ("word", "canary-word-a1"),
    ("number", "7351926482"),
    ("quoted", "canary \"b2\" \\ back\\slash"),
    ("lines", "canary-line-c3\ncanary-line-d4\n"),
    (
        "long",
        "canary-long-j1 and a text of so many words that whoever writes it as YAML may fold it into lines canary-long-k2",
    ),
    ("umlaut", "canärý-é5-🔑"),
    ("name", "Canary_Name_f6"),
];
const FILE: &str = "-----BEGIN CANARY-----\ncanary-file-g7\n-----END CANARY-----\n";
const REGISTRY_PASSWORD: &str = "canary-registry-h8";
const KUBE_TOKEN: &str = "canary-token-i9";

/// Everything that must not be seen.
fn canaries() -> Vec<String> {
    let mut found: Vec<String> = VALUES.iter().map(|(_, value)| (*value).to_owned()).collect();
    found.extend(VALUES.iter().map(|(_, value)| STANDARD.encode(value)));
    found.extend(
        [
            FILE,
            REGISTRY_PASSWORD,
            KUBE_TOKEN,
            KEY,
            "canary",
            "Canary",
            "canär",
        ]
        .map(str::to_owned),
    );
    found
}

struct Bench {
    project: Project,
    /// What was shown and written: what it is, and its text.
    seen: Vec<(String, String)>,
}

impl Bench {
    fn new() -> Self {
        let mut project = Project::empty("masked");
        project.repo = format!("{}/test/{}", variable("KIEL_TEST_REGISTRY"), unique("masked"));
        let bench = Self {
            project,
            seen: Vec::new(),
        };
        let mut plain = String::new();
        for (name, value) in VALUES {
            plain.push_str(&format!("{name}: {}\n", serde_json::Value::from(*value)));
        }
        let encrypted = bench.encrypt("values", &plain);
        let file = bench.encrypt("file", FILE);
        bench.project.commit(&[
            ("werf.yaml", "project: demo\nconfigVersion: 1\n"),
            (".gitignore", "/plain\n/logs\n/home\n/docker\n/kubeconfig\n"),
            (".helm/secret-values.yaml", &encrypted),
            (".helm/secret/key.pem", &file),
            (".helm/templates/good.yaml", GOOD),
        ]);
        let auth = STANDARD.encode(format!("user:{REGISTRY_PASSWORD}"));
        let registry = variable("KIEL_TEST_REGISTRY");
        let login = format!("{{\"auths\": {{\"{registry}\": {{\"auth\": \"{auth}\"}}}}}}");
        bench.project.write("docker/config.json", &login);
        let config = fs_err::read_to_string(variable("KIEL_TEST_KUBECONFIG")).expect("a kubeconfig");
        let with_token = config.replacen("user:\n", &format!("user:\n    token: {KUBE_TOKEN}\n"), 1);
        bench.project.write("kubeconfig", &with_token);
        bench
    }

    fn encrypt(&self, kind: &str, plain: &str) -> String {
        self.project.write("plain", plain);
        let mut command = self.project.command(&["secret", kind, "encrypt", "plain"]);
        let output = command.env("WERF_SECRET_KEY", KEY).output().expect("kiel runs");
        Run::of(&output).expect_code(0).stdout
    }

    /// Runs kiel and keeps what it shows, but what standard output has to have.
    fn run(&mut self, args: &[&str], code: i32) -> Run {
        let mut command = self.project.command(args);
        command
            .env("WERF_SECRET_KEY", KEY)
            .env("KUBECONFIG", self.project.path().join("kubeconfig"))
            .env("DOCKER_CONFIG", self.project.path().join("docker"))
            .env("KIEL_HOME", self.project.path().join("home"))
            .env("KIEL_LOG_DIR", self.project.path().join("logs"));
        let run = Run::of(&command.output().expect("kiel runs"));
        let shows_values = args.contains(&"decrypt") || (args[0] == "render" && run.code == 0);
        let name = args.join(" ");
        self.seen.push((format!("stderr of {name}"), run.stderr.clone()));
        if !shows_values {
            self.seen.push((format!("stdout of {name}"), run.stdout.clone()));
        }
        run.expect_code(code)
    }

    fn with_template(&mut self, template: &str, runs: &[(&[&str], i32)]) {
        self.project.commit(&[(".helm/templates/more.yaml", template)]);
        for (args, code) in runs {
            self.run(args, *code);
        }
    }

    fn check(&mut self, folders: &[&str]) {
        for folder in folders {
            collect(&self.project.path().join(folder), &mut self.seen);
        }
        for (what, text) in &self.seen {
            for canary in canaries() {
                assert!(!text.contains(&canary), "{what} has {canary:?}:\n{text}");
            }
        }
    }
}

fn collect(folder: &Path, seen: &mut Vec<(String, String)>) {
    let Ok(entries) = fs_err::read_dir(folder) else {
        return;
    };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            collect(&path, seen);
        } else {
            let text = fs_err::read(&path).expect("it can be read");
            seen.push((
                path.display().to_string(),
                String::from_utf8_lossy(&text).into_owned(),
            ));
        }
    }
}

const GOOD: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: plain, annotations: {a: {{ .Values.word | quote }}}}
data:
{{- range $name, $value := omit .Values "global" "werf" }}
  {{ $name }}: {{ $value | quote }}
{{- end }}
  file: {{ werf_secret_file "key.pem" | quote }}
---
apiVersion: v1
kind: Secret
metadata: {name: sealed}
data: {key: {{ .Values.word | b64enc }}}
"#;

/// A container that tells what it knows.
const TALKS: &str = r#"
apiVersion: batch/v1
kind: Job
metadata: {name: talks}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: busybox:1.36
        command: [sh, -c, 'printf "%s\n" "$WORD" "$LINES_" | tee /dev/stderr; exit CODE']
        env:
        - {name: WORD, value: {{ .Values.word | quote }}}
        - {name: LINES_, value: {{ .Values.lines | quote }}}
"#;

const RENDERING: &[(&[&str], i32)] = &[
    (&["render"], 1),
    (&["render", "--progress", "json"], 1),
    (&["lint"], 1),
];

/// Mistakes that quote values.
#[test]
fn errors_show_no_secret() {
    let mut bench = Bench::new();
    for template in [
        "{{ fail (printf \"no %s %q %v\" .Values.word .Values.quoted .Values.lines) }}",
        "{{ fail (werf_secret_file \"key.pem\") }}",
        "{{ required .Values.umlaut .Values.nothing }}",
        "{{ index .Values.word 1 2 3 }}",
        "{{ tpl \"{{ nosuch }}\" . }}{{ .Values.word }}",
        "{{ tpl (printf \"{{ %s }}\" .Values.word) . }}",
        "{{ .Values.quoted | toDate .Values.word | date }}",
        "{{ include .Values.word . }}",
        "{{ fromJson .Values.lines | toJson | fail }}",
        "kind: A\nb: [{{ .Values.word }}\n",
        "{{ .Values.word }}: {{ .Values.lines | quote }}: x\n",
        "{{ .Values.quoted }}\n",
        "apiVersion: v1\nkind: {{ .Values.word | quote }}\nmetadata: [{{ .Values.word }}]\n",
    ] {
        bench.project.commit(&[(".helm/templates/more.yaml", template)]);
        for (args, _) in RENDERING {
            let mut command = bench.project.command(args);
            command.env("WERF_SECRET_KEY", KEY);
            let run = Run::of(&command.output().expect("kiel runs"));
            let what = format!("{args:?} of {template}");
            if run.code != 0 {
                bench.seen.push((what.clone(), run.stdout));
            }
            bench.seen.push((what, run.stderr));
        }
    }
    let failed = bench.seen.iter().filter(|(_, text)| text.contains("***")).count();
    assert!(
        failed >= 10,
        "the mistakes quote no secrets any more: {:?}",
        bench.seen
    );
    bench.check(&[]);
}

/// Without a cluster or a key, or with another one.
#[test]
fn missing_and_wrong_keys_show_no_secret() {
    let mut bench = Bench::new();
    bench.run(&["render"], 0);
    bench.run(&["lint"], 0);
    bench.run(&["render", "--show-origin", "word"], 0);
    bench.run(&["get-autogenerated-values"], 0);
    bench.run(&["config", "render"], 0);
    bench.run(&["secret", "values", "decrypt", ".helm/secret-values.yaml"], 0);
    bench.run(
        &[
            "secret",
            "values",
            "decrypt",
            ".helm/secret-values.yaml",
            "--secret-key",
            &KEY.replace('0', "9"),
        ],
        1,
    );
    bench.run(&["render", "--secret-key", "canary-key-that-is-none"], 1);
    bench.run(&["render", "--secret-values", "plain"], 1);
    bench.run(&["secret", "file", "decrypt", "plain"], 1);
    bench
        .project
        .commit(&[("broken.yaml", "a: canary-broken\n  b: [canary-broken\n")]);
    bench.run(&["render", "--secret-values", "broken.yaml"], 1);
    bench.check(&["logs", "home"]);
}

/// On a cluster: plans, runs, logs of containers, refusals of the server.
#[test]
fn deploys_show_no_secret() {
    let mut bench = Bench::new();
    let namespace = bench.project.namespace.clone();
    let in_namespace = |args: &[&'static str]| -> Vec<String> {
        let words = args.iter().map(|word| (*word).to_owned());
        words
            .chain(["--namespace".to_owned(), namespace.clone()])
            .collect()
    };
    let run = |bench: &mut Bench, args: &[&'static str], code: i32| {
        let args = in_namespace(args);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        bench.run(&args, code)
    };
    run(&mut bench, &["plan"], 0);
    let json = run(&mut bench, &["plan", "-o", "json"], 0);
    serde_json::from_str::<serde_json::Value>(&json.stdout).expect("it is JSON still");
    let talks = TALKS.replace("CODE", "0");
    bench.with_template(&talks, &[]);
    let told = run(&mut bench, &["converge", "--log-verbose", "--timeout", "2m"], 0);
    assert!(
        told.stderr.contains("***"),
        "the container's words are not shown: {}",
        told.stderr
    );
    bench.with_template(
        &TALKS.replace("CODE", "3").replace("name: talks", "name: fails"),
        &[],
    );
    run(
        &mut bench,
        &["converge", "--progress", "json", "--timeout", "2m"],
        1,
    );
    // The server quotes what it refuses.
    bench.with_template(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Values.name | quote }}}\n",
        &[],
    );
    let refused = run(&mut bench, &["plan"], 1);
    assert!(refused.stderr.contains("***"), "{}", refused.stderr);
    run(&mut bench, &["converge"], 1);
    run(&mut bench, &["dismiss"], 0);
    bench.check(&["logs"]);
}
