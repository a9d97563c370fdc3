//! The values that werf's charts expect beside their own: `.Values.werf` and `.Values.global.werf`.

use serde_json::{Map, Value, json};

use crate::config::model::NAMELESS;

/// What the values are made of.
pub(crate) struct ServiceValues<'a> {
    pub(crate) project: &'a str,
    pub(crate) env: Option<&'a str>,
    pub(crate) namespace: &'a str,
    pub(crate) repo: Option<&'a str>,
    pub(crate) commit_id: &'a str,
    /// As Go prints a time.
    pub(crate) commit_date: &'a str,
    /// Seconds since 1970.
    pub(crate) commit_time: i64,
    /// Final images.
    pub(crate) images: Vec<ImageName>,
}

/// The name of a built image, or of one whose name is known before it is built.
#[derive(Clone)]
pub(crate) struct ImageName {
    pub(crate) name: String,
    pub(crate) tag: String,
    /// Of its manifest; unknown until it is built.
    pub(crate) digest: Option<String>,
    /// Where it is, if not where `--repo` says: a saved build report's own repository.
    pub(crate) repo: Option<String>,
}

/// Stands for a digest that only a build can tell.
pub(crate) const UNKNOWN_DIGEST: &str = "KNOWN_AFTER_BUILD";

/// The values as one object, for the chart's highest precedence.
pub(crate) fn service_values(input: &ServiceValues<'_>) -> Value {
    let first = || input.images.first().and_then(|image| image.repo.as_deref());
    let repo = input.repo.or_else(first);
    let mut werf = json!({
        "name": input.project,
        "version": env!("CARGO_PKG_VERSION"),
        "namespace": input.namespace,
        "repo": repo.unwrap_or(if input.images.is_empty() { "" } else { "REPO" }),
        "commit": {
            "hash": input.commit_id,
            "date": { "human": input.commit_date, "unix": input.commit_time },
        },
    });
    let mut global = werf.clone();
    let (mut names, mut tags, mut images) = (Map::new(), Map::new(), Map::new());
    for image in &input.images {
        let own = image.repo.as_deref().or(input.repo);
        let (repo, tag) = match own {
            Some(repo) => (repo, image.tag.as_str()),
            None => ("REPO", "TAG"),
        };
        if image.name == NAMELESS {
            for value in [&mut werf, &mut global] {
                value["is_nameless_image"] = true.into();
                value["nameless_image"] = format!("{repo}:{tag}").into();
            }
            continue;
        }
        names.insert(image.name.clone(), format!("{repo}:{tag}").into());
        tags.insert(image.name.clone(), tag.into());
        let digest = match (own, &image.digest) {
            (None, _) => "DIGEST",
            (_, Some(digest)) => digest,
            (_, None) => UNKNOWN_DIGEST,
        };
        images.insert(image.name.clone(), parts(own, tag, digest));
    }
    werf["image"] = names.into();
    werf["tag"] = tags.into();
    global["images"] = images.into();
    for value in [&mut werf, &mut global] {
        if let Some(env) = input.env {
            value["env"] = env.into();
        }
        if repo.is_none() && !input.images.is_empty() {
            value["is_stub"] = true.into();
            value["stub_image"] = "REPO:TAG".into();
        }
    }
    let mut all = json!({ "werf": werf, "global": { "werf": global } });
    if let Some(env) = input.env {
        all["global"]["env"] = env.into();
    }
    all
}

/// Every part of a name that a chart may ask for.
fn parts(repo: Option<&str>, tag: &str, digest: &str) -> Value {
    let (registry, namespace, name) = match repo {
        None => ("REGISTRY", "NAMESPACE", "NAME"),
        Some(repo) => {
            let (registry, path) = repo.split_once('/').unwrap_or((repo, ""));
            // werf: a repository of one component has the namespace `.`.
            path.rsplit_once('/')
                .map_or((registry, ".", path), |(namespace, name)| {
                    (registry, namespace, name)
                })
        }
    };
    let image = repo.unwrap_or("REPO");
    let repository = if namespace == "." {
        name.to_owned()
    } else {
        format!("{namespace}/{name}")
    };
    json!({
        "registry": registry,
        "namespace": namespace,
        "name": name,
        "tag": tag,
        "digest": digest,
        "tag_digest": format!("{tag}@{digest}"),
        "image": image,
        "repository": repository,
        "ref": format!("{image}:{tag}@{digest}"),
        "ref_tag": format!("{image}:{tag}"),
        "repository_ref": format!("{repository}:{tag}@{digest}"),
        "repository_tag": format!("{repository}:{tag}"),
        "name_ref": format!("{name}:{tag}@{digest}"),
        "name_tag": format!("{name}:{tag}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(repo: Option<&str>) -> Value {
        service_values(&input(repo))
    }

    fn input(repo: Option<&str>) -> ServiceValues<'_> {
        ServiceValues {
            project: "demo",
            env: None,
            namespace: "demo",
            repo,
            commit_id: "c0ffee",
            commit_date: "2024-01-02 03:04:05 +0000 +0000",
            commit_time: 1_704_164_645,
            images: vec![ImageName {
                name: "a".into(),
                tag: "key".into(),
                digest: Some("sha256:1".into()),
                repo: None,
            }],
        }
    }

    #[test]
    fn the_image_without_a_name_has_a_key_of_its_own() {
        let mut input = input(Some("r.example.com/app"));
        input.images[0].name = NAMELESS.into();
        let values = service_values(&input);
        assert_eq!(values["werf"]["nameless_image"], "r.example.com/app:key");
        assert_eq!(values["global"]["werf"]["is_nameless_image"], true);
        assert_eq!(values["werf"]["image"], json!({}));
    }

    // As werf 2.66.2 prints them with `helm get-autogenerated-values`.
    #[test]
    fn without_a_repository_names_are_stubs() {
        let values = values(None);
        assert_eq!(values["werf"]["image"]["a"], "REPO:TAG");
        assert_eq!(values["werf"]["is_stub"], true);
        let image = &values["global"]["werf"]["images"]["a"];
        assert_eq!(image["repository_ref"], "NAMESPACE/NAME:TAG@DIGEST");
        assert_eq!(image["ref"], "REPO:TAG@DIGEST");
    }

    #[test]
    fn a_repository_of_one_component_has_a_dot_as_namespace() {
        let values = values(Some("127.0.0.1:5000/app"));
        let image = &values["global"]["werf"]["images"]["a"];
        assert_eq!(
            (&image["namespace"], &image["name"]),
            (&json!("."), &json!("app"))
        );
        assert_eq!(image["name_ref"], "app:key@sha256:1");
        assert_eq!(values["werf"]["image"]["a"], "127.0.0.1:5000/app:key");
        assert!(values["werf"].get("env").is_none());
    }
}
