{{- define "eph.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{- /* Cluster-wide objects have the namespace in their name, because two releases can have the same name. */}}
{{- define "eph.wide" -}}
{{ printf "%s-%s" .Release.Namespace (include "eph.name" .) }}
{{- end }}

{{- define "eph.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "eph.labels" -}}
{{ include "eph.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "eph.image" -}}
{{- $repository := required "image.repository is empty; name the registry that you pushed the image to" .Values.image.repository -}}
{{- if .Values.image.digest }}{{ $repository }}@{{ .Values.image.digest }}{{ else }}{{ $repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end -}}
{{- end }}

{{- /* The labels of our namespaces: eph.dev/server is the setting name, a dash, and ten digits of the server's key. */}}
{{- define "eph.server" -}}
{{ .Values.settings.name | default "eph" }}
{{- end }}

{{- /* What routes traffic to previews: settings.kubernetes.front, which defaults to eph here. */}}
{{- define "eph.front" -}}
{{ (.Values.settings.kubernetes | default dict).front | default "eph" }}
{{- end }}

{{- /* The domains of previews. */}}
{{- define "eph.domains" -}}
{{- $domain := required "settings.domain is empty; name the domain that previews are names of" .Values.settings.domain }}
{{- toJson (concat (list $domain) (.Values.settings.domains | default list) | uniq) }}
{{- end }}

{{- /* eph.toml: the values, and settings that follow from the cluster. */}}
{{- define "eph.toml" -}}
{{- $forge := dict }}
{{- if .Values.secrets.forge.name }}
  {{- range .Values.secrets.forge.keys }}
    {{- $_ := set $forge (printf "%s_file" (. | replace "-" "_")) (printf "/etc/eph/forge/%s" .) }}
  {{- end }}
{{- end }}
{{- $kubernetes := dict "role" (printf "%s-environment" (include "eph.wide" .)) "account" (printf "%s/%s" .Release.Namespace (include "eph.name" .)) }}
{{- $given := .Values.settings.kubernetes | default dict }}
{{- $previews := dict }}
{{- if eq (include "eph.front" .) "eph" }}
  {{- range $key := list "ingress_class" "ingress_annotations" "tls_secret" "gateway" }}
    {{- if get $given $key }}{{ fail (printf "settings.kubernetes.%s has no effect with front = eph, because previews then have no Ingress. Set it for the wildcard, or set settings.kubernetes.front to ingress" $key) }}{{ end }}
  {{- end }}
  {{- $_ := set $kubernetes "front" "eph" }}
  {{- $_ := set $kubernetes "front_namespace" .Release.Namespace }}
  {{- $_ := set $kubernetes "front_labels" (list (printf "app.kubernetes.io/name=%s" .Chart.Name) (printf "app.kubernetes.io/instance=%s" .Release.Name)) }}
  {{- $_ := set $previews "proxies" (list "10.0.0.0/8" "100.64.0.0/10" "172.16.0.0/12" "192.168.0.0/16" "fc00::/7") }}
{{- end }}
{{- if .Values.secrets.images.name }}{{ $_ := set $kubernetes "pull_secret_file" "/etc/eph/images/.dockerconfigjson" }}{{ end }}
{{- if not (get $given "mail_image") }}{{ $_ := set $kubernetes "mail_image" (include "eph.image" .) }}{{ end }}
{{- $own := dict "home" "/var/lib/eph" "listen" "0.0.0.0:8081" "gateway_listen" "0.0.0.0:8080" "gateway" "beside" "forge" $forge "kubernetes" $kubernetes "targets" (dict "allowed" (list "kubernetes") "default" "kubernetes") }}
{{- if .Values.secrets.passphrase.name }}{{ $_ := set $own "passphrase_file" "/etc/eph/passphrase/passphrase" }}{{ end }}
{{- /* Helm turns all numbers into floats; as text, ephd parses them correctly. */}}
{{- include "eph.table" (dict "table" (mergeOverwrite (dict "previews" $previews) (deepCopy .Values.settings) $own)) }}
{{- end }}

{{- define "eph.table" -}}
{{- range $key, $value := .table }}
{{- if not (kindIs "map" $value) }}
{{ $key }} = {{ include "eph.value" $value }}
{{- end }}
{{- end }}
{{- range $key, $value := .table }}
{{- if kindIs "map" $value }}
{{- if $value }}

[{{ $key }}]
{{- include "eph.table" (dict "table" $value) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* JSON strings, lists, booleans and integers are valid TOML, too. */}}
{{- define "eph.value" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) }}{{ int64 . }}{{ else }}{{ toRawJson . }}{{ end }}
{{- end }}

{{- define "eph.container" -}}
image: {{ include "eph.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
env:
  {{- if .Values.secrets.ledger.name }}
  - name: EPH_LEDGER_URL
    valueFrom:
      secretKeyRef:
        name: {{ .Values.secrets.ledger.name }}
        key: url
  {{- end }}
  - name: NO_COLOR
    value: "1"
volumeMounts:
  - name: home
    mountPath: /var/lib/eph
  - name: tmp
    mountPath: /tmp
  - name: settings
    mountPath: /etc/eph/settings
    readOnly: true
  {{- range $what := list "forge" "passphrase" "images" }}
  {{- if (get $.Values.secrets $what).name }}
  - name: {{ $what }}
    mountPath: /etc/eph/{{ $what }}
    readOnly: true
  {{- end }}
  {{- end }}
{{- end }}
