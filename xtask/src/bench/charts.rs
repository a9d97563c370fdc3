//! Charts that the rows about rendering are made with: generated ones, and folders that are given.

use std::path::Path;

use anyhow::Result;

use crate::oracle::find_cases;

/// How many charts are below the umbrella.
const SUBCHARTS: usize = 100;
/// How many manifests each of them has.
const TEMPLATES_OF_SUBCHART: usize = 20;
/// How many templates call `tpl`, and how often each.
const TPL_TEMPLATES: usize = 400;
const TPL_CALLS: usize = 5;
/// Items of the loop; each makes a ConfigMap of some 317 bytes.
const LOOP_ITEMS: usize = 2_400;

type Files = Vec<(String, String)>;

/// A chart of its own, complete.
pub(super) struct GivenChart {
    /// The folder as it was given, for people.
    pub(super) name: String,
    /// The chart, dependencies included.
    pub(super) folder: std::path::PathBuf,
}

/// All charts below the folders, with the dependencies that are among them.
pub(super) fn given(dirs: &[std::path::PathBuf], helm: &Path, stage: &Path) -> Result<Vec<GivenChart>> {
    let cases = find_cases(dirs, &[], helm, stage)?;
    let charts = cases.into_iter().filter(|case| case.values.is_none());
    Ok(charts
        .map(|case| GivenChart {
            name: case.name,
            folder: case.chart,
        })
        .collect())
}

fn chart_yaml(name: &str, more: &str) -> String {
    format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\nappVersion: \"2.3\"\n{more}")
}

fn helpers(name: &str) -> String {
    format!(
        r#"{{{{- define "{name}.fullname" -}}}}
{{{{- printf "%s-%s" .Release.Name (default .Chart.Name .Values.nameOverride) | trunc 63 | trimSuffix "-" -}}}}
{{{{- end }}}}
{{{{- define "{name}.labels" -}}}}
app.kubernetes.io/name: {{{{ include "{name}.fullname" . }}}}
app.kubernetes.io/instance: {{{{ .Release.Name }}}}
app.kubernetes.io/version: {{{{ .Chart.AppVersion | quote }}}}
app.kubernetes.io/managed-by: {{{{ .Release.Service }}}}
{{{{- with .Values.commonLabels }}}}
{{{{ toYaml . }}}}
{{{{- end }}}}
{{{{- end }}}}
"#
    )
}

const SUBCHART_VALUES: &str = r"replicas: 2
nameOverride: ''
commonLabels: {team: platform, tier: backend}
image: {repository: registry.example/app, tag: '', pullPolicy: IfNotPresent}
resources:
  limits: {cpu: 500m, memory: 256Mi}
  requests: {cpu: 100m, memory: 128Mi}
env:
- {name: LOG_LEVEL, value: info}
- {name: REGION, value: eu-1}
nodeSelector: {kubernetes.io/os: linux}
tolerations: []
affinity:
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm: {topologyKey: kubernetes.io/hostname}
probe: {enabled: true, path: /healthz, port: 8080}
";

/// A template of a subchart: a Deployment such as most charts have one.
fn deployment(name: &str, number: usize) -> String {
    format!(
        r#"{{{{- if .Values.probe.enabled }}}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{{{ include "{name}.fullname" . }}}}-{number}
  namespace: {{{{ .Release.Namespace }}}}
  labels:
    {{{{- include "{name}.labels" . | nindent 4 }}}}
spec:
  replicas: {{{{ .Values.replicas }}}}
  selector:
    matchLabels: {{{{- include "{name}.labels" . | nindent 6 }}}}
  template:
    metadata:
      labels: {{{{- include "{name}.labels" . | nindent 8 }}}}
    spec:
      containers:
      - name: main
        image: "{{{{ .Values.image.repository }}}}:{{{{ .Values.image.tag | default .Chart.AppVersion }}}}"
        imagePullPolicy: {{{{ .Values.image.pullPolicy }}}}
        env:
        {{{{- range .Values.env }}}}
        - name: {{{{ .name }}}}
          value: {{{{ .value | quote }}}}
        {{{{- end }}}}
        livenessProbe:
          httpGet: {{{{- toYaml (dict "path" .Values.probe.path "port" .Values.probe.port) | nindent 12 }}}}
        resources: {{{{- toYaml .Values.resources | nindent 10 }}}}
      {{{{- with .Values.nodeSelector }}}}
      nodeSelector: {{{{- toYaml . | nindent 8 }}}}
      {{{{- end }}}}
      {{{{- with .Values.affinity }}}}
      affinity: {{{{- toYaml . | nindent 8 }}}}
      {{{{- end }}}}
{{{{- end }}}}
"#
    )
}

/// A chart of 100 subcharts with 20 manifests each.
pub(super) fn umbrella() -> Files {
    let names: Vec<String> = (0..SUBCHARTS).map(|n| format!("service{n:02}")).collect();
    let mut dependencies = String::from("dependencies:\n");
    let mut files = Files::new();
    for name in &names {
        dependencies.push_str(&format!(
            "- {{name: {name}, version: 1.0.0, condition: {name}.enabled}}\n"
        ));
        let mut add = |path: &str, text: String| files.push((format!("charts/{name}/{path}"), text));
        add("Chart.yaml", chart_yaml(name, ""));
        add("values.yaml", SUBCHART_VALUES.to_owned());
        add("templates/_helpers.tpl", helpers(name));
        for number in 0..TEMPLATES_OF_SUBCHART {
            add(
                &format!("templates/deployment-{number:02}.yaml"),
                deployment(name, number),
            );
        }
    }
    let values: String = names
        .iter()
        .map(|name| format!("{name}:\n  enabled: true\n  replicas: 3\n"))
        .collect();
    files.push(("Chart.yaml".to_owned(), chart_yaml("umbrella", &dependencies)));
    files.push((
        "values.yaml".to_owned(),
        format!("global: {{domain: example.com}}\n{values}"),
    ));
    files
}

/// 400 templates with five calls of `tpl` each.
pub(super) fn tpl() -> Files {
    let mut files = vec![
        ("Chart.yaml".to_owned(), chart_yaml("texts", "")),
        ("templates/_helpers.tpl".to_owned(), helpers("texts")),
        (
            "values.yaml".to_owned(),
            "host: '{{ include \"texts.fullname\" . }}.{{ .Values.domain }}'\ndomain: example.com\ncommonLabels: {}\nnameOverride: ''\n"
                .to_owned(),
        ),
    ];
    for number in 0..TPL_TEMPLATES {
        // Most charts give the same few texts again and again; some are put together on the spot.
        let text = |call: usize| match call {
            0..3 => ".Values.host".to_owned(),
            _ => format!(r#"(printf "%s/{number}/{call}" .Values.host)"#),
        };
        let calls: String = (0..TPL_CALLS)
            .map(|call| format!("  key{call}: {{{{ tpl {} . | quote }}}}\n", text(call)))
            .collect();
        files.push((
            format!("templates/config-{number:03}.yaml"),
            format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: config-{number}\ndata:\n{calls}"),
        ));
    }
    files
}

/// One template with a loop that writes some 760 KB.
pub(super) fn long_loop() -> Files {
    let template = r#"{{- range $index := until (int .Values.count) }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $.Release.Name }}-item-{{ $index }}
  namespace: {{ $.Release.Namespace }}
  labels:
    app.kubernetes.io/name: {{ $.Chart.Name }}
    app.kubernetes.io/instance: {{ $.Release.Name }}
    number: {{ $index | quote }}
data:
  {{- range $key, $value := $.Values.data }}
  {{ $key }}: {{ $value | quote }}
  {{- end }}
  {{- if eq (mod $index 2) 0 }}
  parity: even
  {{- else }}
  parity: odd
  {{- end }}
{{- end }}
"#;
    let values = format!(
        "count: {LOOP_ITEMS}\ndata:\n  first: the quick brown fox\n  second: jumps over\n  third: the lazy dog\n"
    );
    vec![
        ("Chart.yaml".to_owned(), chart_yaml("items", "")),
        ("values.yaml".to_owned(), values),
        ("templates/items.yaml".to_owned(), template.to_owned()),
    ]
}
