//! The order in which Helm 3 installs kinds.

/// Kinds in the order of installation; uninstalling goes the other way round.
const INSTALL_ORDER: [&str; 36] = [
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
];

/// What to sort manifests by for installing: known kinds in their order, then all others by name.
///
/// The sort has to be stable: manifests of one kind stay in the order of their files.
pub fn install_rank(kind: &str) -> (usize, &str) {
    match INSTALL_ORDER.iter().position(|known| *known == kind) {
        Some(index) => (index, ""),
        None => (INSTALL_ORDER.len(), kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_kinds_come_first_and_the_others_by_name() {
        let mut kinds = [
            "Widget",
            "APIService",
            "",
            "Deployment",
            "Alpha",
            "Namespace",
            "Ingress",
            "ConfigMap",
        ];
        kinds.sort_by(|a, b| install_rank(a).cmp(&install_rank(b)));
        assert_eq!(
            kinds,
            [
                "Namespace",
                "ConfigMap",
                "Deployment",
                "Ingress",
                "APIService",
                "",
                "Alpha",
                "Widget"
            ]
        );
    }
}
