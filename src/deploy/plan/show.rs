//! A plan as text: each change with its diff, then a summary.

use std::fmt;

use super::{Action, DeployKind, DeployPlan, Operation};

impl fmt::Display for DeployPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for operation in self
            .operations
            .iter()
            .filter(|operation| operation.action.is_change())
        {
            write_operation(f, operation, self.target.namespace.as_str())?;
        }
        for operation in self
            .operations
            .iter()
            .filter(|operation| operation.action == Action::Hook)
        {
            if let Some(resource) = &operation.resource {
                writeln!(f, "Run hook {resource} ({})\n", operation.reason)?;
            }
        }
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        write_summary(f, self)
    }
}

fn write_operation(f: &mut fmt::Formatter<'_>, operation: &Operation, namespace: &str) -> fmt::Result {
    let Some(resource) = &operation.resource else {
        return Ok(());
    };
    let verb = match operation.action {
        Action::CreateNamespace | Action::Create => "Create",
        Action::Update => "Update",
        Action::Recreate => "Recreate",
        Action::Delete => "Delete",
        Action::Hook | Action::Track | Action::Barrier => return Ok(()),
    };
    write!(f, "{verb} {resource}")?;
    if let Some(other) = resource.namespace.as_deref().filter(|other| *other != namespace) {
        write!(f, " in namespace {other}")?;
    }
    if !operation.reason.is_empty() {
        write!(f, " ({})", operation.reason)?;
    }
    writeln!(f)?;
    for line in operation.diff.lines() {
        writeln!(f, "  {line}")?;
    }
    writeln!(f)
}

fn write_summary(f: &mut fmt::Formatter<'_>, plan: &DeployPlan) -> fmt::Result {
    let what = match plan.kind {
        DeployKind::Install => "install",
        DeployKind::Upgrade => "upgrade",
    };
    if !plan.has_changes() {
        return writeln!(f, "No changes: release {} is as the chart wants it", plan.target);
    }
    let count = |wanted: &[Action]| {
        plan.operations
            .iter()
            .filter(|operation| wanted.contains(&operation.action))
            .count()
    };
    let hooks = count(&[Action::Hook]);
    let parts: Vec<String> = [
        (count(&[Action::Create, Action::CreateNamespace]), "to create"),
        (count(&[Action::Update]), "to update"),
        (count(&[Action::Recreate]), "to recreate"),
        (count(&[Action::Delete]), "to delete"),
        (hooks, if hooks == 1 { "hook to run" } else { "hooks to run" }),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| match (count, what) {
        (1, "hooks to run") => "1 hook to run".to_owned(),
        _ => format!("{count} {what}"),
    })
    .collect();
    write!(f, "Release {}: {what}, revision {}: ", plan.target, plan.revision)?;
    write!(f, "{}", parts.join(", "))?;
    let changes = plan
        .operations
        .iter()
        .any(|operation| operation.action.is_change());
    if changes {
        return writeln!(f);
    }
    let separator = if parts.is_empty() { "" } else { "; " };
    writeln!(
        f,
        "{separator}no object changes, but this does: {}",
        plan.release_changes.join(", ")
    )
}
