#!/bin/bash
# Exits 0 if the service whose working directory is $1 is alive, by its answer over HTTP. With bash
# alone, for the image has no HTTP client.
set -euo pipefail

path=/healthz
port=$(<"$1/metrics_port.txt")
exec 3<>"/dev/tcp/127.0.0.1/$port"
printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$path" >&3
read -r -t 4 status <&3
echo "$path: ${status%$'\r'}"
[[ $status == 'HTTP/1.1 200 '* ]]
