"""Manifests with the shapes of published ones, in our own words: a chart and a kustomization (issue 14)."""

from __future__ import annotations

CHART = {
    "deploy/chart/Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.4.0\nappVersion: 1.4.0\n",
    "deploy/chart/values.yaml": """\
replicaCount: 2
image: {repository: docker.io/acme/shop, tag: ""}
serviceAccount: {create: true, annotations: {eks.amazonaws.com/role-arn: "arn:aws:iam::1:role/shop"}}
service: {type: LoadBalancer, port: 80}
ingress: {className: nginx, host: shop.example.com}
autoscaling: {minReplicas: 2, maxReplicas: 5}
nodeSelector: {pool: web}
tolerations: [{key: pool, operator: Exists}]
""",
    "deploy/chart/templates/_helpers.tpl": """\
{{- define "shop.fullname" -}}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}{{- end -}}
{{- define "shop.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}
""",
    "deploy/chart/templates/serviceaccount.yaml": """\
{{- if .Values.serviceAccount.create }}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "shop.fullname" . }}
  annotations: {{- toYaml .Values.serviceAccount.annotations | nindent 4 }}
{{- end }}
""",
    "deploy/chart/templates/deployment.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "shop.fullname" . }}
  labels: {{- include "shop.labels" . | nindent 4 }}
  annotations: {reloader.stakater.com/auto: "true"}
spec:
  replicas: {{ .Values.replicaCount }}
  selector:
    matchLabels: {{- include "shop.labels" . | nindent 6 }}
  template:
    metadata:
      labels: {{- include "shop.labels" . | nindent 8 }}
      annotations:
        checksum/config: {{ .Values.replicaCount | toString | sha256sum }}
        linkerd.io/inject: enabled
    spec:
      serviceAccountName: {{ include "shop.fullname" . }}
      nodeSelector: {{- toYaml .Values.nodeSelector | nindent 8 }}
      tolerations: {{- toYaml .Values.tolerations | nindent 8 }}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: topology.kubernetes.io/zone
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels: {{- include "shop.labels" . | nindent 14 }}
      initContainers:
        - name: wait
          image: busybox:1.36
          command: ["true"]
      containers:
        - name: shop
          image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
          ports: [{name: http, containerPort: 8080}]
          readinessProbe: {httpGet: {path: /healthz, port: http}}
""",
    "deploy/chart/templates/service.yaml": """\
apiVersion: v1
kind: Service
metadata: {name: {{ include "shop.fullname" . }}}
spec:
  type: {{ .Values.service.type }}
  externalTrafficPolicy: Local
  selector: {{- include "shop.labels" . | nindent 4 }}
  ports: [{name: http, port: {{ .Values.service.port }}, targetPort: http}]
---
apiVersion: v1
kind: Service
metadata: {name: {{ include "shop.fullname" . }}-metrics}
spec:
  selector: {{- include "shop.labels" . | nindent 4 }}
  ports: [{name: metrics, port: 9090, targetPort: http}]
""",
    "deploy/chart/templates/ingress.yaml": """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {{ include "shop.fullname" . }}
  annotations:
    cert-manager.io/cluster-issuer: letsencrypt
    nginx.ingress.kubernetes.io/proxy-body-size: 64m
spec:
  ingressClassName: {{ .Values.ingress.className }}
  tls: [{hosts: [{{ .Values.ingress.host }}], secretName: shop-tls}]
  rules:
    - host: {{ .Values.ingress.host }}
      http:
        paths:
          - path: /metrics
            pathType: Prefix
            backend: {service: {name: {{ include "shop.fullname" . }}-metrics, port: {name: metrics}}}
          - path: /
            pathType: Prefix
            backend: {service: {name: {{ include "shop.fullname" . }}, port: {name: http}}}
""",
    "deploy/chart/templates/hpa.yaml": """\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: {{ include "shop.fullname" . }}}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ include "shop.fullname" . }}}
  minReplicas: {{ .Values.autoscaling.minReplicas }}
  maxReplicas: {{ .Values.autoscaling.maxReplicas }}
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]
""",
    "deploy/chart/templates/migrate.yaml": """\
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "shop.fullname" . }}-migrate
  annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-delete-policy: before-hook-creation}
spec:
  backoffLimit: 1
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: migrate
          image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
          command: [bin/migrate]
""",
    "deploy/chart/templates/tests/test.yaml": """\
apiVersion: v1
kind: Pod
metadata: {name: {{ include "shop.fullname" . }}-test, annotations: {helm.sh/hook: test}}
spec: {restartPolicy: Never, containers: [{name: wget, image: busybox, command: [wget, shop]}]}
""",
}
"""A chart as `helm create` starts one, after two years."""

KUSTOMIZATION = {
    "k8s/base/kustomization.yaml": """\
resources: [web.yaml, worker.yaml]
labels: [{pairs: {app.kubernetes.io/part-of: shop}, includeSelectors: true}]
configMapGenerator: [{name: settings, literals: [LOG_LEVEL=info]}]
""",
    "k8s/base/web.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      affinity: {podAntiAffinity: {}}
      priorityClassName: business
      containers:
        - name: web
          image: ghcr.example.com/acme/shop
          envFrom: [{configMapRef: {name: settings}}]
          ports: [{containerPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, targetPort: 8080, nodePort: 30080}]}
""",
    "k8s/base/worker.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: worker}
spec:
  selector: {matchLabels: {app: worker}}
  template:
    metadata: {labels: {app: worker}}
    spec: {containers: [{name: worker, image: ghcr.example.com/acme/shop, args: [work]}]}
""",
    "k8s/components/cache/kustomization.yaml": """\
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
resources: [cache.yaml]
patches:
  - target: {kind: Deployment, name: "web|worker"}
    patch: |-
      - {op: add, path: /spec/template/spec/containers/0/env, value: [{name: CACHE_URL, value: "redis://cache:6379"}]}
""",
    "k8s/components/cache/cache.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: cache}
spec:
  selector: {matchLabels: {app: cache}}
  template:
    metadata: {labels: {app: cache}}
    spec: {containers: [{name: redis, image: "redis:7", ports: [{containerPort: 6379}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: cache}
spec: {selector: {app: cache}, trafficDistribution: PreferClose, ports: [{port: 6379}]}
""",
    "k8s/overlays/preview/kustomization.yaml": """\
namePrefix: shop-
resources: [../../base, route.yaml]
components: [../../components/cache]
images: [{name: ghcr.example.com/acme/shop, newTag: "1.4"}]
replicas: [{name: web, count: 1}]
patches:
  - path: limits.yaml
""",
    "k8s/overlays/preview/limits.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: worker}
spec: {template: {spec: {containers: [{name: worker, resources: {limits: {memory: 256Mi}}}]}}}
""",
    "k8s/overlays/preview/route.yaml": """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, annotations: {external-dns.alpha.kubernetes.io/ttl: "60"}}
spec:
  parentRefs: [{name: edge, namespace: infra}]
  hostnames: [shop.example.com]
  rules: [{backendRefs: [{name: shop-web, port: 80}]}]
""",
}
"""A base with a component and an overlay, as many teams keep them."""
