//! The release's and the namespace's name: templates of werf.yaml with `[[ ]]`, or the project and the environment.

use kiel_template::functions;
use kiel_template::value::CallError;
use kiel_template::{Options, TemplateSet, Value};

use super::model::Config;
use super::options::SharedEnvironment;
use super::render::shared;
use super::slug;

/// Why there is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The template of werf.yaml fails.
    #[error("cannot render `deploy.{key}` of werf.yaml: {text}")]
    Template {
        /// `helmRelease` or `namespace`
        key: &'static str,
        /// The engine's words.
        text: String,
    },
    /// It gives nothing.
    #[error("cannot use `deploy.{0}` of werf.yaml: its template gives an empty name; is --env missing?")]
    Empty(&'static str),
}

/// The release's name without `--release`.
pub fn release_name(
    config: &Config,
    env: Option<&str>,
    namespace: &str,
    environment: &SharedEnvironment,
) -> Result<String, NameError> {
    let deploy = &config.meta.deploy;
    let name = render(
        "helmRelease",
        deploy.helm_release.as_deref(),
        &config.meta.project,
        env,
        Some(namespace),
        environment,
    )?;
    Ok(if deploy.helm_release_slug {
        slug::release(&name)
    } else {
        name
    })
}

/// The namespace's name without `--namespace`.
pub fn namespace_name(
    config: &Config,
    env: Option<&str>,
    environment: &SharedEnvironment,
) -> Result<String, NameError> {
    let deploy = &config.meta.deploy;
    let name = render(
        "namespace",
        deploy.namespace.as_deref(),
        &config.meta.project,
        env,
        None,
        environment,
    )?;
    Ok(if deploy.namespace_slug {
        slug::namespace(&name)
    } else {
        name
    })
}

fn render(
    key: &'static str,
    template: Option<&str>,
    project: &str,
    env: Option<&str>,
    namespace: Option<&str>,
    environment: &SharedEnvironment,
) -> Result<String, NameError> {
    let template = match (template, env) {
        (Some(template), _) => template,
        (None, Some(_)) => "[[ project ]]-[[ env ]]",
        (None, None) => "[[ project ]]",
    };
    let mut functions = functions::sprig(&shared(environment));
    let words = [
        ("project", Some(project)),
        ("env", Some(env.unwrap_or_default())),
        ("namespace", namespace),
    ];
    for (name, word) in words {
        let Some(word) = word.map(ToOwned::to_owned) else {
            continue;
        };
        functions.add(name, &[], move |_, _| {
            Ok::<_, CallError>(Value::from(word.as_str()))
        });
    }
    let mut set = TemplateSet::new(Options {
        left: "[[".into(),
        right: "]]".into(),
        functions,
        ..Options::default()
    });
    let failed = |error: kiel_template::Error| NameError::Template {
        key,
        text: error.to_string(),
    };
    set.parse(key, template).map_err(failed)?;
    let name = set.execute(key, &Value::Nil).map_err(failed)?;
    if name.trim().is_empty() {
        Err(NameError::Empty(key))
    } else {
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{Deploy, Meta};

    /// A clock that stands and entropy that is none.
    struct Still;

    impl kiel_template::functions::Environment for Still {
        fn now(&self) -> jiff::Timestamp {
            jiff::Timestamp::UNIX_EPOCH
        }
        fn fill_random(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    fn still() -> SharedEnvironment {
        std::sync::Arc::new(Still)
    }

    fn config(release: Option<&str>, namespace: Option<&str>) -> Config {
        let deploy = Deploy {
            helm_release: release.map(Into::into),
            helm_release_slug: true,
            namespace: namespace.map(Into::into),
            namespace_slug: true,
            helm_chart_dir: ".helm".into(),
            app_version: None,
        };
        Config {
            meta: Meta {
                project: "demo".into(),
                deploy,
            },
            images: Vec::new(),
            external: Vec::new(),
            outdated: Vec::new(),
        }
    }

    // Recorded from werf 2.66.2 (`werf helm get-release`, `get-namespace`).
    #[test]
    fn names_are_those_of_werf() {
        for (template, env, want) in [
            (None, None, "demo"),
            (None, Some("production"), "demo-production"),
            (
                None,
                Some("a-very-long-environment-name-that-does-not-fit-into-the-limit"),
                "demo-a-very-long-environment-name-that-does--2705d863",
            ),
            (
                Some("[[ project ]]-[[ env ]]-[[ namespace ]]"),
                Some("dev"),
                "demo-dev-ns1",
            ),
            (
                Some("[[ project | upper | lower | replace \"demo\" \"d\" ]]-[[ env | trunc 2 ]]"),
                Some("dev"),
                "d-de",
            ),
            (Some(" a b "), None, "a-b-24054a28"),
            (Some("a.b.[[ project ]]"), None, "a.b.demo"),
        ] {
            assert_eq!(
                release_name(&config(template, None), env, "ns1", &still()).as_deref(),
                Ok(want),
                "{template:?}"
            );
        }
        let name = namespace_name(&config(None, None), Some("Feature/X.1"), &still());
        assert_eq!(name.as_deref(), Ok("demo-feature-x-1-a8ef057b"));
    }

    #[test]
    fn a_template_without_a_name_is_refused() {
        let empty = release_name(&config(Some("[[ env ]]"), None), None, "ns", &still());
        assert_eq!(empty, Err(NameError::Empty("helmRelease")));
        let unknown = release_name(&config(Some("[[ foo ]]"), None), None, "ns", &still())
            .expect_err("no such function");
        assert!(
            unknown.to_string().contains("function \"foo\" not defined"),
            "{unknown}"
        );
    }
}
