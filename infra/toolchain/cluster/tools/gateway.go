package main

import (
	"context"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

var httproutes = schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "httproutes"}

// A backend is a port of a Service.
type backend struct {
	namespace, name string
	port            int32
}

// attached are the backends of HTTPRoutes that name a Gateway, any Gateway, by host name: of each route its first rule
// and that one's first Service. It is a controller for tests: it says nothing in a route's status.
type attached struct {
	hosts atomic.Pointer[map[string]backend]
}

func (a *attached) find(host string) (backend, bool) {
	hosts := a.hosts.Load()
	if hosts == nil {
		return backend{}, false
	}
	found, ok := (*hosts)[host]
	return found, ok
}

// keep looks every second, because the kind itself comes and goes with its definition. What was seen last counts until
// the cluster answers again.
func (a *attached) keep(client dynamic.Interface) {
	for ; ; time.Sleep(time.Second) {
		found, err := client.Resource(httproutes).List(context.Background(), metav1.ListOptions{})
		hosts := map[string]backend{}
		switch {
		case apierrors.IsNotFound(err):
		case err != nil:
			continue
		default:
			for _, item := range found.Items {
				add(hosts, item.GetNamespace(), item.Object)
			}
		}
		a.hosts.Store(&hosts)
	}
}

func add(hosts map[string]backend, namespace string, data map[string]any) {
	var route struct {
		Spec struct {
			ParentRefs []struct {
				Name string `json:"name"`
			} `json:"parentRefs"`
			Hostnames []string `json:"hostnames"`
			Rules     []struct {
				BackendRefs []struct {
					Name string `json:"name"`
					Port int32  `json:"port"`
				} `json:"backendRefs"`
			} `json:"rules"`
		} `json:"spec"`
	}
	err := runtime.DefaultUnstructuredConverter.FromUnstructured(data, &route)
	spec := route.Spec
	if err != nil || len(spec.ParentRefs) == 0 || len(spec.Rules) == 0 || len(spec.Rules[0].BackendRefs) == 0 {
		return
	}
	first := spec.Rules[0].BackendRefs[0]
	for _, host := range spec.Hostnames {
		hosts[host] = backend{namespace, first.Name, first.Port}
	}
}
