package main

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	corev1 "k8s.io/api/core/v1"
	netv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// world is what the rules follow from; table is a pure function of it.
//
// A pod that a policy selects for a direction gets a chain for it, which returns for what any of its policies allows and
// ends in drop. Egress is judged where packets are forwarded and where they enter the node itself, ingress only where
// they are forwarded: what the node itself sends, such as the kubelet's probes, is always let through, as Kubernetes
// wants it. By then kube-proxy has put the pod's address in place of the service's, as it wants it too.
type world struct {
	pods       []*corev1.Pod
	namespaces []*corev1.Namespace
	policies   []*netv1.NetworkPolicy
}

const frame = `table ip eph_policy
delete table ip eph_policy
table ip eph_policy {
%s	chain egress {
		ip saddr vmap { %s }
	}
	chain ingress {
		ip daddr vmap { %s }
	}
	chain forward {
		type filter hook forward priority filter; policy accept;
		ct state established,related accept
		jump egress
		jump ingress
	}
	chain input {
		type filter hook input priority filter; policy accept;
		ct state established,related accept
		jump egress
	}
}
`

func (w world) table() string {
	chains, out, in := strings.Builder{}, []string{}, []string{}
	for _, pod := range w.running() {
		address := pod.Status.PodIP
		name := strings.ReplaceAll(address, ".", "_")
		if lines, selected := w.chain(pod, netv1.PolicyTypeEgress); selected {
			fmt.Fprintf(&chains, "\tchain out_%s {\n%s\t\tdrop\n\t}\n", name, lines)
			out = append(out, fmt.Sprintf("%s : jump out_%s", address, name))
		}
		if lines, selected := w.chain(pod, netv1.PolicyTypeIngress); selected {
			fmt.Fprintf(&chains, "\tchain in_%s {\n%s\t\tdrop\n\t}\n", name, lines)
			in = append(in, fmt.Sprintf("%s : jump in_%s", address, name))
		}
	}
	return fmt.Sprintf(frame, chains.String(), entries(out), entries(in))
}

// entries: an empty map is no valid syntax, and no pod has this address.
func entries(found []string) string {
	return strings.Join(append(found, "255.255.255.255 : drop"), ", ")
}

func (w world) running() []*corev1.Pod {
	var found []*corev1.Pod
	for _, pod := range w.pods {
		ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
		if pod.Status.PodIP != "" && !pod.Spec.HostNetwork && !ended {
			found = append(found, pod)
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].Status.PodIP < found[j].Status.PodIP })
	return found
}

// chain gives what is allowed to or from the pod, and whether any policy selects it for that direction.
func (w world) chain(pod *corev1.Pod, direction netv1.PolicyType) (string, bool) {
	lines, selected := []string{}, false
	for _, policy := range w.policies {
		if policy.Namespace != pod.Namespace || !matches(&policy.Spec.PodSelector, pod.Labels) || !concerns(policy, direction) {
			continue
		}
		selected = true
		if direction == netv1.PolicyTypeIngress {
			for _, rule := range policy.Spec.Ingress {
				lines = append(lines, w.allowed("saddr", rule.From, rule.Ports, policy.Namespace, pod)...)
			}
			continue
		}
		for _, rule := range policy.Spec.Egress {
			lines = append(lines, w.allowed("daddr", rule.To, rule.Ports, policy.Namespace, nil)...)
		}
	}
	sort.Strings(lines)
	return strings.Join(slices.Compact(lines), ""), selected
}

func concerns(policy *netv1.NetworkPolicy, direction netv1.PolicyType) bool {
	if len(policy.Spec.PolicyTypes) == 0 {
		return direction == netv1.PolicyTypeIngress || len(policy.Spec.Egress) > 0
	}
	return slices.Contains(policy.Spec.PolicyTypes, direction)
}

// allowed: each peer with each port, a line for each. target is the pod whose named ports count; nil: the peer's own.
func (w world) allowed(side string, peers []netv1.NetworkPolicyPeer, ports []netv1.NetworkPolicyPort, namespace string, target *corev1.Pod) []string {
	var lines []string
	if len(peers) == 0 {
		for _, port := range portsOf(ports, target) {
			lines = append(lines, "\t\t"+strings.TrimSpace(port+" return")+"\n")
		}
	}
	for _, peer := range peers {
		if peer.IPBlock != nil && strings.Contains(peer.IPBlock.CIDR, ":") {
			continue // pods have no IPv6 here
		}
		if peer.IPBlock != nil {
			match := fmt.Sprintf("ip %s %s", side, peer.IPBlock.CIDR)
			if len(peer.IPBlock.Except) > 0 {
				match += fmt.Sprintf(" ip %s != { %s }", side, strings.Join(peer.IPBlock.Except, ", "))
			}
			for _, port := range portsOf(ports, target) {
				lines = append(lines, fmt.Sprintf("\t\t%s %s return\n", match, port))
			}
			continue
		}
		for _, other := range w.running() {
			if !w.isPeer(other, peer, namespace) {
				continue
			}
			named := target
			if named == nil {
				named = other
			}
			for _, port := range portsOf(ports, named) {
				lines = append(lines, fmt.Sprintf("\t\tip %s %s %s return\n", side, other.Status.PodIP, port))
			}
		}
	}
	return lines
}

func (w world) isPeer(pod *corev1.Pod, peer netv1.NetworkPolicyPeer, namespace string) bool {
	if peer.PodSelector != nil && !matches(peer.PodSelector, pod.Labels) {
		return false
	}
	if peer.NamespaceSelector == nil {
		return pod.Namespace == namespace
	}
	for _, known := range w.namespaces {
		if known.Name == pod.Namespace {
			return matches(peer.NamespaceSelector, known.Labels)
		}
	}
	return false
}

// portsOf: no ports at all means every port; a named one that the pod does not have matches nothing.
func portsOf(ports []netv1.NetworkPolicyPort, pod *corev1.Pod) []string {
	if len(ports) == 0 {
		return []string{""}
	}
	var found []string
	for _, port := range ports {
		protocol := "tcp"
		if port.Protocol != nil {
			protocol = strings.ToLower(string(*port.Protocol))
		}
		switch {
		case port.Port == nil:
			found = append(found, "meta l4proto "+protocol)
		case port.Port.Type == intstr.String:
			if number := namedPort(port.Port.StrVal, protocol, pod); number != 0 {
				found = append(found, fmt.Sprintf("%s dport %d", protocol, number))
			}
		case port.EndPort != nil:
			found = append(found, fmt.Sprintf("%s dport %d-%d", protocol, port.Port.IntVal, *port.EndPort))
		default:
			found = append(found, fmt.Sprintf("%s dport %d", protocol, port.Port.IntVal))
		}
	}
	return found
}

func namedPort(name, protocol string, pod *corev1.Pod) int32 {
	if pod == nil {
		return 0
	}
	for _, container := range pod.Spec.Containers {
		for _, port := range container.Ports {
			if port.Name == name && strings.EqualFold(string(port.Protocol), protocol) {
				return port.ContainerPort
			}
		}
	}
	return 0
}

func matches(selector *metav1.LabelSelector, have map[string]string) bool {
	found, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && found.Matches(labels.Set(have))
}
