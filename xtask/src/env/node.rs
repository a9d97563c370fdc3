//! Configuration files of the node's parts; `node.sh` starts them.
//!
//! The choices that are not obvious: cgroup v1 is allowed (the machines at hand have it), the score that
//! protects the kubelet from the OOM killer is not insisted on (a machine may forbid it), there is no default
//! route, so nothing can leave the node, and names outside the cluster do not exist.

use std::path::Path;

use anyhow::Result;

use super::settings::Settings;
use crate::shell;

/// Script that process 1 of the node runs.
const SCRIPT: &str = include_str!("node.sh");

/// Writes every file into the state folder.
pub(crate) fn write(settings: &Settings, root: &Path, containerd: &Path) -> Result<()> {
    let state = &settings.state;
    for folder in ["log", "run", "etcd", "kubelet", "cni", "volume-plugins"] {
        fs_err::create_dir_all(state.join(folder))?;
    }
    let write = |name: &str, text: String| fs_err::write(state.join(name), text);
    write("node.sh", SCRIPT.to_owned())?;
    write("cni/10-bridge.conflist", cni(settings))?;
    let version = shell::run(&mut shell::command(containerd, ["--version"]))?;
    let one = version
        .split_whitespace()
        .any(|word| word.trim_start_matches('v').starts_with("1."));
    write(
        "containerd.toml",
        if one {
            containerd_1(settings, root)
        } else {
            containerd_2(settings, root)
        },
    )?;
    let mirror = format!("http://127.0.0.1:{}", settings.registry_port);
    let own = format!("127.0.0.1:{}", settings.registry_port);
    for (host, server) in [
        (own.as_str(), mirror.as_str()),
        ("docker.io", "https://registry-1.docker.io"),
    ] {
        let folder = state.join("hosts").join(host);
        fs_err::create_dir_all(&folder)?;
        let text =
            format!("server = \"{server}\"\n[host.\"{mirror}\"]\n  capabilities = [\"pull\", \"resolve\"]\n");
        fs_err::write(folder.join("hosts.toml"), text)?;
    }
    write("resolv.conf", format!("nameserver {}\n", settings.node()))?;
    write("kubelet.yaml", kubelet(settings))?;
    write("Corefile", corefile(settings))?;
    write("system.yaml", system(settings))?;
    Ok(())
}

fn cni(settings: &Settings) -> String {
    format!(
        r#"{{"cniVersion": "1.0.0", "name": "{}", "plugins": [
 {{"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
  "ipam": {{"type": "host-local", "dataDir": "{}", "ranges": [[{{"subnet": "{}.0/24"}}]],
           "routes": [{{"dst": "0.0.0.0/0"}}]}}}},
 {{"type": "portmap", "capabilities": {{"portMappings": true}}}}]}}
"#,
        settings.name,
        settings.state.join("cni-ipam").display(),
        settings.pod_net
    )
}

/// Configuration of containerd 1.6 and 1.7.
fn containerd_1(settings: &Settings, root: &Path) -> String {
    let (state, root, port) = (settings.state.display(), root.display(), settings.registry_port);
    format!(
        r#"version = 2
root = "{state}/containerd"
state = "{state}/run/containerd"
[grpc]
  address = "{state}/run/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "127.0.0.1:{port}/pause:1"
  disable_apparmor = true
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{state}/hosts"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{root}/usr/lib/cni"
    conf_dir = "{state}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      BinaryName = "{}/runc"
      Root = "{state}/run/runc"
      SystemdCgroup = false
"#,
        settings.programs.display()
    )
}

/// Configuration of containerd 2.
fn containerd_2(settings: &Settings, root: &Path) -> String {
    let (state, root, port) = (settings.state.display(), root.display(), settings.registry_port);
    format!(
        r#"version = 3
root = "{state}/containerd"
state = "{state}/run/containerd"
disabled_plugins = ["io.containerd.nri.v1.nri"]
[grpc]
  address = "{state}/run/containerd.sock"
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "127.0.0.1:{port}/pause:1"
  [plugins."io.containerd.cri.v1.images".registry]
    config_path = "{state}/hosts"
[plugins."io.containerd.cri.v1.runtime"]
  disable_apparmor = true
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["{root}/usr/lib/cni"]
    conf_dir = "{state}/cni"
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      BinaryName = "{}/runc"
      Root = "{state}/run/runc"
      SystemdCgroup = false
"#,
        settings.programs.display()
    )
}

fn kubelet(settings: &Settings) -> String {
    let (state, pki) = (settings.state.display(), settings.pki.display());
    format!(
        "apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupRoot: /{name}
failSwapOn: false
containerRuntimeEndpoint: unix://{state}/run/containerd.sock
authentication: {{anonymous: {{enabled: false}}, webhook: {{enabled: true}}, x509: {{clientCAFile: {pki}/ca.crt}}}}
authorization: {{mode: Webhook}}
tlsCertFile: {pki}/kubelet.crt
tlsPrivateKeyFile: {pki}/kubelet.key
resolvConf: {state}/resolv.conf
clusterDNS: ['{dns}']
clusterDomain: cluster.local
enforceNodeAllocatable: [pods]
localStorageCapacityIsolation: true
makeIPTablesUtilChains: false
evictionHard: {{memory.available: 100Mi, nodefs.available: 1%, nodefs.inodesFree: 1%, imagefs.available: 1%}}
imageGCHighThresholdPercent: 99
imageGCLowThresholdPercent: 98
podLogsDir: {state}/pod-logs
volumePluginDir: {state}/volume-plugins
serializeImagePulls: false
registryPullQPS: 0
eventRecordQPS: 0
maxPods: 110
",
        name = settings.name,
        dns = settings.dns(),
    )
}

fn corefile(settings: &Settings) -> String {
    format!(
        "cluster.local:53 in-addr.arpa:53 ip6.arpa:53 {{
  bind {node}
  errors
  ready 127.0.0.1:8181
  kubernetes cluster.local in-addr.arpa ip6.arpa {{
    kubeconfig {kubeconfig}
    ttl 1
  }}
}}
.:53 {{
  bind {node}
  template ANY ANY {{
    rcode NXDOMAIN
  }}
}}
",
        node = settings.node(),
        kubeconfig = settings.pki.join("dns.kubeconfig").display(),
    )
}

/// The name server's rights and its Service: it runs on the node itself, not in a pod.
fn system(settings: &Settings) -> String {
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: 'system:coredns'}}
rules:
- {{apiGroups: [''], resources: [endpoints, services, pods, namespaces], verbs: [list, watch]}}
- {{apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: 'system:coredns'}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: 'system:coredns'}}
subjects:
- {{apiGroup: rbac.authorization.k8s.io, kind: User, name: 'system:coredns'}}
---
apiVersion: v1
kind: Service
metadata: {{name: kube-dns, namespace: kube-system}}
spec:
  clusterIP: {dns}
  ports:
  - {{name: dns, protocol: UDP, port: 53}}
  - {{name: dns-tcp, protocol: TCP, port: 53}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: kube-dns, namespace: kube-system, labels: {{kubernetes.io/service-name: kube-dns}}}}
addressType: IPv4
endpoints:
- {{addresses: ['{node}'], conditions: {{ready: true}}}}
ports:
- {{name: dns, protocol: UDP, port: 53}}
- {{name: dns-tcp, protocol: TCP, port: 53}}
",
        dns = settings.dns(),
        node = settings.node(),
    )
}
