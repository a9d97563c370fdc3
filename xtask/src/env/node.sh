#!/bin/bash
# Process 1 of the node's pid namespace: starts the parts of the node in the order that they need, then
# reaps. It ends by SIGKILL to its parent, and everything in its namespaces with it.
# STATE, PROGRAMS, WRAPPERS, ROOT, PKI, NODE, POD_NET, SERVICE_NET, ETCD_FLAGS come from the environment.
set -u
mount --make-rshared /
# Nothing of the node is to be left in the host's folders. etcd's syncs are not worth a disk.
for folder in /run /var/log /var/lib/kubelet "$STATE/etcd"; do mount -t tmpfs tmpfs "$folder"; done
export PATH="$WRAPPERS:$ROOT/usr/bin:$ROOT/usr/sbin:/usr/sbin:/usr/bin:/sbin:/bin"

start() {
  local name=$1
  shift
  "$@" >"$STATE/log/$name.log" 2>&1 &
}
kubectl() { "$PROGRAMS/kubectl" --kubeconfig "$PKI/admin.kubeconfig" "$@"; }

start etcd "$PROGRAMS/etcd" --name node --data-dir "$STATE/etcd/data" --log-level warn $ETCD_FLAGS \
  --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
  --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
  --initial-cluster node=http://127.0.0.1:2380
start apiserver "$PROGRAMS/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 \
  --bind-address=0.0.0.0 --secure-port=6443 --advertise-address="$NODE" \
  --tls-cert-file="$PKI/apiserver.crt" --tls-private-key-file="$PKI/apiserver.key" --client-ca-file="$PKI/ca.crt" \
  --service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$PKI/sa.pub" \
  --service-account-signing-key-file="$PKI/sa.key" --service-cluster-ip-range="$SERVICE_NET.0.0/16" \
  --authorization-mode=Node,RBAC --allow-privileged=true --profiling=false \
  --kubelet-client-certificate="$PKI/kubelet-client.crt" --kubelet-client-key="$PKI/kubelet-client.key" \
  --kubelet-certificate-authority="$PKI/ca.crt" --kubelet-preferred-address-types=InternalIP \
  --requestheader-client-ca-file="$PKI/ca.crt" --requestheader-allowed-names=front-proxy-client \
  --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
  --requestheader-extra-headers-prefix=X-Remote-Extra- \
  --proxy-client-cert-file="$PKI/front-proxy.crt" --proxy-client-key-file="$PKI/front-proxy.key"
start containerd "$PROGRAMS/containerd" --config "$STATE/containerd.toml"
OTEL_TRACES_EXPORTER=none start registry-node "$PROGRAMS/registry" serve "$STATE/registry.yml"

until kubectl get --raw /readyz >/dev/null 2>&1; do sleep 0.05; done
touch "$STATE/apiserver-ready"
start controllers "$PROGRAMS/kube-controller-manager" --kubeconfig="$PKI/controllers.kubeconfig" \
  --authentication-kubeconfig="$PKI/controllers.kubeconfig" --authorization-kubeconfig="$PKI/controllers.kubeconfig" \
  --leader-elect=false --use-service-account-credentials=false --kube-api-qps=500 --kube-api-burst=1000 \
  --service-account-private-key-file="$PKI/sa.key" --root-ca-file="$PKI/ca.crt" \
  --cluster-signing-cert-file="$PKI/ca.crt" --cluster-signing-key-file="$PKI/ca.key" \
  --bind-address=127.0.0.1 --cert-dir=/run/controllers
start scheduler "$PROGRAMS/kube-scheduler" --kubeconfig="$PKI/scheduler.kubeconfig" \
  --authentication-kubeconfig="$PKI/scheduler.kubeconfig" --authorization-kubeconfig="$PKI/scheduler.kubeconfig" \
  --leader-elect=false --bind-address=127.0.0.1 --cert-dir=/run/scheduler
until "$PROGRAMS/ctr" -a "$STATE/run/containerd.sock" version >/dev/null 2>&1; do sleep 0.05; done
start kubelet "$PROGRAMS/kubelet" --config="$STATE/kubelet.yaml" --kubeconfig="$PKI/kubelet.kubeconfig" \
  --root-dir="$STATE/kubelet" --cert-dir=/run/kubelet --hostname-override=node --node-ip="$NODE"
start proxy "$PROGRAMS/kube-proxy" --kubeconfig="$PKI/proxy.kubeconfig" --proxy-mode=iptables \
  --hostname-override=node --cluster-cidr="$POD_NET.0/24" --conntrack-max-per-core=0 \
  --conntrack-tcp-timeout-established=0 --conntrack-tcp-timeout-close-wait=0
until kubectl apply --server-side --validate=false -f "$STATE/system.yaml" >"$STATE/log/system.log" 2>&1; do sleep 0.1; done
start dns "$PROGRAMS/coredns" -conf "$STATE/Corefile"

while :; do wait -n 2>/dev/null || sleep 1; done
