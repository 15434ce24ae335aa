#!/usr/bin/env bash
# Prints deploy/prometheus/rules.yml as a PrometheusRule, in which the Prometheus operator looks for
# recording and alert rules.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

cat <<'END'
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: holdfast
  namespace: holdfast
  labels:
    release: prometheus
spec:
END
sed 's/^/  /' deploy/prometheus/rules.yml
