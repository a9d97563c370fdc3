//! Which variables a job of GitLab or GitHub gets: from those that the system itself sets. Pure.

use super::script::{Section, Variable};
use crate::cli::env::Environment;

/// Where GitHub keeps images.
pub(super) const GITHUB_REGISTRY: &str = "ghcr.io";
/// The server that [`GITHUB_REGISTRY`] belongs to; others have registries of their own.
const GITHUB_SERVER: &str = "https://github.com";

/// A login that the job's own token allows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Login {
    /// A registry, or a repository in it.
    pub(super) registry: String,
    pub(super) user: String,
    pub(super) password: String,
}

/// The login of a job of GitLab.
pub(super) fn gitlab_login(env: &Environment) -> Option<Login> {
    Some(Login {
        registry: env.get("CI_REGISTRY_IMAGE")?.to_owned(),
        user: "gitlab-ci-token".to_owned(),
        password: env.get("CI_JOB_TOKEN")?.to_owned(),
    })
}

/// The login of a job of GitHub. A token of another server is not shown to GitHub's registry.
pub(super) fn github_login(env: &Environment) -> Option<Login> {
    is_github(env).then_some(())?;
    Some(Login {
        registry: GITHUB_REGISTRY.to_owned(),
        user: env.get("GITHUB_ACTOR")?.to_owned(),
        password: env.get("GITHUB_TOKEN")?.to_owned(),
    })
}

/// Whether the job runs on GitHub itself.
pub(super) fn is_github(env: &Environment) -> bool {
    github_server(env) == GITHUB_SERVER
}

fn github_server(env: &Environment) -> &str {
    env.get("GITHUB_SERVER_URL")
        .unwrap_or(GITHUB_SERVER)
        .trim_end_matches('/')
}

/// The repository of a project's images where it is GitHub's default: one below that of the source.
pub(super) fn github_repository(env: &Environment, project: &str) -> Option<String> {
    let source = env.get("GITHUB_REPOSITORY").filter(|_| is_github(env))?;
    Some(format!("{GITHUB_REGISTRY}/{}/{project}", source.to_lowercase()))
}

/// What a job of GitLab gets.
pub(super) fn gitlab(env: &Environment, docker_config: &str) -> Vec<Section> {
    let lines = Lines(env);
    let given = |name: &str| env.get(name).unwrap_or_default();
    let (image, own) = (given("CI_REGISTRY_IMAGE"), given("WERF_REPO"));
    let mut repo = vec![lines.keep("WERF_REPO", if own.is_empty() { image } else { "" })];
    if !image.is_empty() && (own.is_empty() || own.starts_with(given("CI_REGISTRY"))) {
        repo.push(lines.keep("WERF_REPO_CONTAINER_REGISTRY", "gitlab"));
    }
    let project = given("CI_PROJECT_URL");
    let below = |url: &str, folder: &str, id: &str| match (given(url), given(id)) {
        ("", "") => String::new(),
        ("", _) if project.is_empty() => String::new(),
        ("", id) => format!("{project}/-/{folder}/{id}"),
        (url, _) => url.to_owned(),
    };
    let deploy = vec![
        lines.keep("WERF_ENV", given("CI_ENVIRONMENT_SLUG")),
        lines.release_channel(),
        Lines::annotation("WERF_ADD_ANNOTATION_PROJECT_GIT", "project.werf.io/git", project),
        Lines::annotation(
            "WERF_ADD_ANNOTATION_CI_COMMIT",
            "ci.werf.io/commit",
            given("CI_COMMIT_SHA"),
        ),
        Lines::annotation(
            "WERF_ADD_ANNOTATION_CI_GIT_TAG",
            "ci.werf.io/tag",
            given("CI_COMMIT_TAG"),
        ),
        Lines::annotation(
            "WERF_ADD_ANNOTATION_GITLAB_CI_PIPELINE_URL",
            "gitlab.ci.werf.io/pipeline-url",
            &below("CI_PIPELINE_URL", "pipelines", "CI_PIPELINE_ID"),
        ),
        Lines::annotation(
            "WERF_ADD_ANNOTATION_GITLAB_CI_JOB_URL",
            "gitlab.ci.werf.io/job-url",
            &below("CI_JOB_URL", "jobs", "CI_JOB_ID"),
        ),
    ];
    vec![
        lines.docker(docker_config),
        section("REPO", repo),
        section("DEPLOY", deploy),
        lines.other(shows_colours(given("CI_SERVER_VERSION"))),
    ]
}

/// What a job of GitHub gets.
pub(super) fn github(env: &Environment, docker_config: &str, repo: Option<&str>) -> Vec<Section> {
    let lines = Lines(env);
    let given = |name: &str| env.get(name).unwrap_or_default();
    let source = match given("GITHUB_REPOSITORY") {
        "" => String::new(),
        name => format!("{}/{name}", github_server(env)),
    };
    let run = match given("GITHUB_RUN_ID") {
        "" => String::new(),
        _ if source.is_empty() => String::new(),
        id => format!("{source}/actions/runs/{id}"),
    };
    let tag = match given("GITHUB_REF_TYPE") {
        "tag" => given("GITHUB_REF_NAME"),
        _ => "",
    };
    let deploy = vec![
        lines.release_channel(),
        Lines::annotation("WERF_ADD_ANNOTATION_PROJECT_GIT", "project.werf.io/git", &source),
        Lines::annotation(
            "WERF_ADD_ANNOTATION_CI_COMMIT",
            "ci.werf.io/commit",
            given("GITHUB_SHA"),
        ),
        Lines::annotation("WERF_ADD_ANNOTATION_CI_GIT_TAG", "ci.werf.io/tag", tag),
        Lines::annotation(
            "WERF_ADD_ANNOTATION_GITHUB_ACTIONS_RUN_URL",
            "github.ci.werf.io/workflow-run-url",
            &run,
        ),
    ];
    vec![
        lines.docker(docker_config),
        section("REPO", vec![lines.keep("WERF_REPO", repo.unwrap_or_default())]),
        section("DEPLOY", deploy),
        section(
            "CLEANUP",
            vec![lines.keep("WERF_REPO_GITHUB_TOKEN", given("GITHUB_TOKEN"))],
        ),
        lines.other(true),
    ]
}

fn section(title: &'static str, variables: Vec<Variable>) -> Section {
    Section { title, variables }
}

/// Releases of GitLab after 12.1.3 and before 12.2.0 garble colours.
fn shows_colours(version: &str) -> bool {
    let mut numbers = version.trim_start_matches('v').splitn(3, '.');
    let mut next = || numbers.next()?.parse::<u32>().ok();
    let version = (next(), next(), next());
    !matches!(version, (Some(12), Some(1), Some(patch)) if patch > 3)
}

struct Lines<'a>(&'a Environment);

impl Lines<'_> {
    /// A variable that stays where it is set already.
    fn keep(&self, name: &'static str, value: &str) -> Variable {
        Variable {
            name,
            value: value.to_owned(),
            kept: self.0.get(name).map(ToOwned::to_owned),
        }
    }

    /// A variable that is set again in each job.
    fn annotation(name: &'static str, key: &str, value: &str) -> Variable {
        let value = match value {
            "" => String::new(),
            value => format!("{key}={value}"),
        };
        Variable {
            name,
            value,
            kept: None,
        }
    }

    fn release_channel(&self) -> Variable {
        let channel = self.0.get("TRDL_USE_WERF_GROUP_CHANNEL").unwrap_or_default();
        Self::annotation(
            "WERF_ADD_ANNOTATION_WERF_RELEASE_CHANNEL",
            "werf.io/release-channel",
            channel,
        )
    }

    fn docker(&self, folder: &str) -> Section {
        let variable = Variable {
            name: "DOCKER_CONFIG",
            value: folder.to_owned(),
            kept: None,
        };
        section("DOCKER CONFIG", vec![variable])
    }

    fn other(&self, colours: bool) -> Section {
        let variables = vec![
            self.keep("WERF_LOG_COLOR_MODE", if colours { "on" } else { "off" }),
            self.keep("WERF_LOG_PROJECT_DIR", "1"),
            self.keep("WERF_ENABLE_PROCESS_EXTERMINATOR", "1"),
            self.keep("WERF_LOG_TERMINAL_WIDTH", "130"),
        ];
        section("OTHER", variables)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value_of(sections: &[Section], name: &str) -> String {
        let all = sections.iter().flat_map(|section| &section.variables);
        all.filter(|variable| variable.name == name)
            .map(|variable| variable.value.clone())
            .collect()
    }

    #[test]
    fn colours_are_off_where_gitlab_garbles_them() {
        for (version, want) in [
            ("12.1.3", true),
            ("12.1.4", false),
            ("12.1.17", false),
            ("12.2.0", true),
            ("16.0.0-ee", true),
            ("master", true),
            ("", true),
        ] {
            assert_eq!(shows_colours(version), want, "{version}");
        }
    }

    #[test]
    fn pipelines_have_their_address_or_their_number() {
        let env = Environment::of(&[("CI_PROJECT_URL", "https://g/a"), ("CI_PIPELINE_ID", "7")]);
        let sections = gitlab(&env, "d");
        let url = value_of(&sections, "WERF_ADD_ANNOTATION_GITLAB_CI_PIPELINE_URL");
        assert_eq!(url, "gitlab.ci.werf.io/pipeline-url=https://g/a/-/pipelines/7");
    }

    #[test]
    fn another_server_of_github_keeps_its_token_and_its_address() {
        let job = [
            ("GITHUB_REPOSITORY", "Owner/App"),
            ("GITHUB_ACTOR", "octo"),
            ("GITHUB_TOKEN", "t"),
            ("GITHUB_RUN_ID", "7"),
            ("GITHUB_REF_TYPE", "tag"),
            ("GITHUB_REF_NAME", "v1"),
        ];
        let env = Environment::of(&job);
        let repo = github_repository(&env, "demo");
        assert_eq!(repo.as_deref(), Some("ghcr.io/owner/app/demo"));
        assert_eq!(github_login(&env).unwrap().registry, "ghcr.io");
        let sections = github(&env, "d", repo.as_deref());
        let tag = value_of(&sections, "WERF_ADD_ANNOTATION_CI_GIT_TAG");
        assert_eq!(tag, "ci.werf.io/tag=v1");
        let server = [("GITHUB_SERVER_URL", "https://git.example.org/")];
        let env = Environment::of(&[&job[..], &server].concat());
        assert_eq!(github_repository(&env, "demo"), None);
        assert_eq!(github_login(&env), None);
        let url = value_of(
            &github(&env, "d", None),
            "WERF_ADD_ANNOTATION_GITHUB_ACTIONS_RUN_URL",
        );
        let want = "github.ci.werf.io/workflow-run-url=https://git.example.org/Owner/App/actions/runs/7";
        assert_eq!(url, want);
    }
}
