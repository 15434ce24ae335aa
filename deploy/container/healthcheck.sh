#!/bin/bash
# Exits 0 if the service whose working directory is $1 is alive, by its answer over HTTP, where its
# command line says. Who serves no HTTP (--metrics_listen=), or sets another address in a --flagfile,
# turns this check off. With bash, for the image has no HTTP client.
set -euo pipefail

path=/healthz
host=127.0.0.1
port=$(<"$1/metrics_port.txt")
mapfile -d '' -t arguments <"/proc/$(<"$1/pid.txt")/cmdline"
for i in "${!arguments[@]}"; do
  # Also as two arguments; the last one counts.
  case ${arguments[i]} in
    --metrics_listen | -metrics_listen) listen=${arguments[i + 1]} ;;
    --metrics_listen=* | -metrics_listen=*) listen=${arguments[i]#*=} ;;
    *) continue ;;
  esac
  host=${listen%:*}
done
exec 3<>"/dev/tcp/$host/$port"
printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$path" >&3
read -r -t 4 status <&3
echo "$path: ${status%$'\r'}"
[[ $status == 'HTTP/1.1 200 '* ]]
