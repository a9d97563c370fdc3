//! Building a Dockerfile image: the frontend gets the files that the key counts, and nothing else.

use std::collections::BTreeMap;

use kiel_llb::{FileChain, Output};
use serde_json::Value;

use super::error::BuildError;
use super::git_layers;
use super::image_config::{self, Directives, EPOCH};
use super::publish::of_image;
use super::run::{Built, ImageBuild, registry_platform};
use crate::buildkit::{Build, NETWORK_ATTR, PLATFORM_ATTR};
use crate::event::BuildState;
use crate::images::{BasePlatform, BuildArg, DockerfilePlan, context_triggers};
use crate::registry::{Platform, Reference};

const FRONTEND: &str = "dockerfile.v0";

/// Builds an image and publishes it.
pub(crate) async fn build(ctx: &ImageBuild<'_>, plan: &DockerfilePlan) -> Result<Built, BuildError> {
    check_bases(ctx, plan).await?;
    let files = plan.files.clone();
    let context = ctx
        .blocking(move |_| git_layers::context(&files.listing()?, files.tree()))
        .await?;
    let context = ctx.serve_output(&[ctx.take(context)], "context").await?;
    let inputs = [("context", context), ("dockerfile", dockerfile(ctx, plan))];
    let build = Build::Frontend {
        name: FRONTEND.to_owned(),
        attrs: attrs(ctx, plan),
        inputs: inputs
            .iter()
            .map(|(name, output)| ((*name).to_owned(), output.definition()))
            .collect(),
    };
    let started = ctx.image_event(BuildState::Building, None, "");
    let repository = &ctx.publisher.repository;
    let response = ctx
        .engine
        .solve(ctx.name, None, build, repository, BTreeMap::new(), ctx.events)
        .await?;
    let exported = ctx.exported(&response).await?;
    let config = match ctx.image_spec {
        None => exported.config.to_vec(),
        spec => {
            let invalid = |error: serde_json::Error| BuildError::Export {
                image: ctx.name.to_owned(),
                reason: error.to_string(),
            };
            let mut config: Value = serde_json::from_slice(&exported.config).map_err(invalid)?;
            let directives = Directives {
                spec,
                ..Directives::default()
            };
            image_config::apply(&mut config, directives).map_err(|source| BuildError::Config {
                image: ctx.name.to_owned(),
                source,
            })?;
            image_config::to_bytes(&config)
        }
    };
    let published = ctx
        .publisher
        .image_bytes(&ctx.key.to_string(), config, exported.manifest.layers)
        .await;
    let published = published.map_err(of_image(ctx.name))?;
    tracing::debug!(image = ctx.name, elapsed = ?started.elapsed(), "built");
    Ok(ctx.finish(published, true, Vec::new()))
}

/// Bases must exist, and their triggers must not read the context: no key knows what those take.
async fn check_bases(ctx: &ImageBuild<'_>, plan: &DockerfilePlan) -> Result<(), BuildError> {
    for base in &plan.bases {
        let reference: Reference = base.name.parse().map_err(of_image(ctx.name))?;
        let platform = match &base.platform {
            BasePlatform::Target => ctx.registry_platform(),
            BasePlatform::Engine => Platform::host(),
            BasePlatform::Fixed(platform) => registry_platform(platform),
        };
        let found = ctx.publisher.registry.image(&reference, &platform).await;
        let Some(image) = found.map_err(of_image(ctx.name))? else {
            return Err(BuildError::NoBase {
                image: ctx.name.to_owned(),
                base: base.name.clone(),
                platform: platform.to_string(),
            });
        };
        let config: Value = serde_json::from_slice(&image.config).unwrap_or_default();
        let triggers: Vec<String> =
            serde_json::from_value(config["config"]["OnBuild"].clone()).unwrap_or_default();
        let reading = context_triggers(&triggers);
        if !reading.is_empty() {
            let lines = reading.join("\n");
            return Err(BuildError::Onbuild {
                image: ctx.name.to_owned(),
                base: base.name.clone(),
                lines,
            });
        }
    }
    Ok(())
}

/// The Dockerfile under its own path, which errors then name.
fn dockerfile(ctx: &ImageBuild<'_>, plan: &DockerfilePlan) -> Output {
    let path = format!("/{}", plan.path);
    let chain = match path.rsplit_once('/') {
        Some((folder, _)) if !folder.is_empty() => FileChain::new(None).mkdir(folder, 0o755),
        _ => FileChain::new(None),
    };
    chain
        .mkfile(&path, 0o644, &plan.dockerfile)
        .root(ctx.platform, "Dockerfile")
}

fn attrs(ctx: &ImageBuild<'_>, plan: &DockerfilePlan) -> BTreeMap<String, String> {
    let mut attrs = BTreeMap::from([
        ("build-arg:SOURCE_DATE_EPOCH".to_owned(), EPOCH.to_string()),
        ("filename".to_owned(), plan.path.clone()),
        (PLATFORM_ATTR.to_owned(), ctx.platform.to_string()),
    ]);
    if plan.syntax.as_deref().is_none_or(is_built_in) {
        // Otherwise the engine would pull the frontend that `# syntax=` names.
        attrs.insert("cmdline".to_owned(), String::new());
    }
    if let Some(network) = plan.network {
        attrs.insert(NETWORK_ATTR.to_owned(), network.name().to_owned());
    }
    if !plan.hosts.is_empty() {
        let hosts = plan
            .hosts
            .iter()
            .map(|(name, address)| format!("{name}={address}"));
        attrs.insert("add-hosts".to_owned(), hosts.collect::<Vec<_>>().join(","));
    }
    attrs.extend(
        plan.target
            .iter()
            .map(|target| ("target".to_owned(), target.clone())),
    );
    for (name, arg) in &plan.args {
        let value = match arg {
            BuildArg::Text(text) => text.clone(),
            BuildArg::Name { image, part } => ctx.name_part(image, *part),
        };
        attrs.insert(format!("build-arg:{name}"), value);
    }
    attrs
}

/// Whether the frontend of every engine does what this one does: the stable `docker/dockerfile:1`.
fn is_built_in(syntax: &str) -> bool {
    let syntax = syntax.split('@').next().unwrap_or_default();
    let syntax = syntax.strip_prefix("docker.io/").unwrap_or(syntax);
    match syntax.split_once(':') {
        None => syntax == "docker/dockerfile",
        Some((name, tag)) => {
            let stable = tag.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            name == "docker/dockerfile" && (tag == "latest" || stable && tag.starts_with('1'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_stable_frontend_is_built_in() {
        for stable in [
            "docker/dockerfile:1",
            "docker/dockerfile:1.7.0",
            "docker/dockerfile",
            "docker.io/docker/dockerfile:1@sha256:00",
        ] {
            assert!(is_built_in(stable), "{stable}");
        }
        for other in [
            "docker/dockerfile:1-labs",
            "docker/dockerfile:master",
            "docker/dockerfile-upstream:1",
            "r/x:1",
            "docker/dockerfile:2",
        ] {
            assert!(!is_built_in(other), "{other}");
        }
    }
}
