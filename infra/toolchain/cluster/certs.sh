#!/bin/sh
# Creates a CA, a certificate for each component, kubeconfigs, and the key that signs service account tokens:
# certs.sh FOLDER NODE_ADDRESS NODE_NAME SERVICE_ADDRESS. Valid for 30 days, recreated at every start.
set -eu
folder=$1 address=$2 node=$3 service=$4
mkdir -p "$folder"
cd "$folder"
umask 077

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }
key ca.key
openssl req -x509 -new -key ca.key -sha256 -days 30 -subj /CN=eph-test-cluster -out ca.crt \
  -addext basicConstraints=critical,CA:true -addext keyUsage=critical,keyCertSign,digitalSignature 2>/dev/null

sign() { # NAME SUBJECT EXTENSIONS
  key "$1.key"
  printf '%s\n' "$3" >extensions
  openssl req -new -key "$1.key" -subj "$2" -out request 2>/dev/null
  openssl x509 -req -in request -CA ca.crt -CAkey ca.key -set_serial "0x$(openssl rand -hex 8)" -days 30 -sha256 \
    -out "$1.crt" -extfile extensions 2>/dev/null
  rm request extensions
}
client='keyUsage=digitalSignature
extendedKeyUsage=clientAuth'
server='keyUsage=digitalSignature
extendedKeyUsage=serverAuth'
inside=DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local
sign apiserver /CN=kube-apiserver "$server
subjectAltName=DNS:localhost,$inside,IP:127.0.0.1,IP:$address,IP:$service"
sign kubelet-server "/O=system:nodes/CN=system:node:$node" "$server
subjectAltName=DNS:$node,IP:$address,IP:127.0.0.1"
sign apiserver-kubelet /O=system:masters/CN=kube-apiserver-kubelet-client "$client"
sign admin /O=system:masters/CN=admin "$client"
sign controller-manager /CN=system:kube-controller-manager "$client"
sign scheduler /CN=system:kube-scheduler "$client"
sign kubelet "/O=system:nodes/CN=system:node:$node" "$client"
sign proxy /CN=system:kube-proxy "$client"
openssl genrsa -out accounts.key 2048 2>/dev/null

packed() { base64 -w0 <"$1"; }
for user in admin controller-manager scheduler kubelet proxy; do
  cat >"$user.kubeconfig" <<YAML
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "https://$address:6443", certificate-authority-data: $(packed ca.crt)}}]
users: [{name: user, user: {client-certificate-data: $(packed "$user.crt"), client-key-data: $(packed "$user.key")}}]
contexts: [{name: test, context: {cluster: test, user: user}}]
current-context: test
YAML
done
