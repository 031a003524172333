package main

import (
	"flag"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	netv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	netlisters "k8s.io/client-go/listers/networking/v1"
	"k8s.io/client-go/tools/clientcmd"
)

// ingress routes by host (the whole name before one with a star) and longest path to the cluster IP of a Service, as
// Ingress objects of its class say; where none does, as HTTPRoutes say.
func ingress(arguments []string) error {
	flags := flag.NewFlagSet("ingress", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "empty: the pod's own service account")
	class := flags.String("class", "test", "the ingressClassName that is served")
	listen := flags.String("listen", ":8080", "")
	flags.Parse(arguments)
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(kubernetes.NewForConfigOrDie(config), 0)
	gateways := &attached{}
	go gateways.keep(dynamic.NewForConfigOrDie(config))
	kinds := factory.Networking().V1()
	table := routes{*class, kinds.Ingresses().Lister(), factory.Core().V1().Services().Lister(), gateways}
	factory.Start(nil)
	factory.WaitForCacheSync(nil)
	server := &http.Server{Addr: *listen, Handler: table, ReadHeaderTimeout: 10 * time.Second}
	return server.ListenAndServe()
}

type routes struct {
	class     string
	ingresses netlisters.IngressLister
	services  corelisters.ServiceLister
	gateways  *attached
}

func (t routes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host, _, _ := strings.Cut(r.Host, ":")
	upstream := t.find(host, r.URL.Path)
	if upstream == nil {
		http.Error(w, "no route for "+host+r.URL.Path, http.StatusNotFound)
		return
	}
	proxy := httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(upstream)
		p.SetXForwarded()
		p.Out.Host = p.In.Host
	}}
	proxy.ServeHTTP(w, r)
}

func (t routes) find(host, path string) *url.URL {
	var best *url.URL
	fittest := -1
	all, _ := t.ingresses.List(labels.Everything())
	for _, ingress := range all {
		if ingress.Spec.IngressClassName == nil || *ingress.Spec.IngressClassName != t.class {
			continue
		}
		for _, rule := range ingress.Spec.Rules {
			fit := fits(rule.Host, host)
			if rule.HTTP == nil || fit < 0 {
				continue
			}
			for _, candidate := range rule.HTTP.Paths {
				if fit+len(candidate.Path) <= fittest || !covers(candidate, path) {
					continue
				}
				if upstream := t.service(ingress.Namespace, candidate.Backend.Service); upstream != nil {
					fittest, best = fit+len(candidate.Path), upstream
				}
			}
		}
	}
	if route, ok := t.gateways.find(host); ok && best == nil {
		return t.upstream(route.namespace, route.name, netv1.ServiceBackendPort{Number: route.port})
	}
	return best
}

// fits: how closely a rule's host names the one that is asked for, more than any path could weigh; negative: not at all.
// A star stands for one whole label, as Kubernetes has it.
func fits(rule, host string) int {
	const closer = 1 << 16
	_, rest, _ := strings.Cut(host, ".")
	switch {
	case rule == host:
		return 2 * closer
	case rest != "" && rule == "*."+rest:
		return closer
	case rule == "":
		return 0
	}
	return -1
}

func covers(candidate netv1.HTTPIngressPath, path string) bool {
	if candidate.PathType != nil && *candidate.PathType == netv1.PathTypeExact {
		return candidate.Path == path
	}
	prefix := strings.TrimSuffix(candidate.Path, "/")
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

func (t routes) service(namespace string, backend *netv1.IngressServiceBackend) *url.URL {
	if backend == nil {
		return nil
	}
	return t.upstream(namespace, backend.Name, backend.Port)
}

func (t routes) upstream(namespace, name string, wanted netv1.ServiceBackendPort) *url.URL {
	service, err := t.services.Services(namespace).Get(name)
	if err != nil || service.Spec.ClusterIP == corev1.ClusterIPNone {
		return nil
	}
	port := wanted.Number
	for _, offered := range service.Spec.Ports {
		if offered.Name != "" && offered.Name == wanted.Name {
			port = offered.Port
		}
	}
	return &url.URL{Scheme: "http", Host: fmt.Sprintf("%s:%d", service.Spec.ClusterIP, port)}
}
