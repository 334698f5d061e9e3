#!/bin/bash
# Runs as a service in a systemd of its own; what it finds out is in /root/found.
exec >/root/found 2>&1
set -u
charter=/opt/charter/bin/charter
url=http://127.0.0.1:8470
ready() {
  for _ in $(seq 200); do
    /opt/charter/bin/python -c "import urllib.request as u; u.urlopen('$url/readyz', timeout=5)" \
      2>/dev/null && return
    sleep 0.2
  done
  echo "never ready"
}
as_gateway() {
  systemd-run --quiet --pipe --wait -p User=charter -p DynamicUser=yes -p UMask=0077 \
    -p "StateDirectory=charter charter-seen" -p StateDirectoryMode=0700 \
    -E CHARTER_STATE=/var/lib/charter $charter "$@"
}
decide() {
  $charter decide /root/question.json --url $url --trust /var/lib/charter/trust.json "$@"
}
ready
echo "# of the process"
grep -E '^(CapPrm|CapBnd|NoNewPrivs|Seccomp):' "/proc/$(systemctl show -P MainPID charter)/status"
echo "# token of root"
CHARTER_TOKEN=$($charter token create --state /var/lib/charter --tenant default --role scheduler --format json |
  /opt/charter/bin/python -c 'import json, sys; print(json.load(sys.stdin)["token"])')
export CHARTER_TOKEN
decide --format plain --save /root/answer.json | head -n 1
$charter verify /root/answer.json --trust /var/lib/charter/trust.json
echo "# started again"
systemctl restart charter
ready
decide --format plain | head -n 1
echo "# ledger"
as_gateway ledger fsck | head -n 1
echo "# of root"
find /var/lib/private/charter /var/lib/private/charter-seen -uid 0
echo "# killed"
kill -9 "$(systemctl show -P MainPID charter)"
sleep 1
ready
systemctl show -P NRestarts charter
echo "# stopped"
systemctl stop charter
systemctl show -p Result,ExecMainStatus charter
echo "# journal"
journalctl --unit charter --output cat --no-pager
echo "# each of its processes killed"
systemctl start charter
ready
main=$(systemctl show -P MainPID charter)
killed=$(cat "/proc/$main/task/$main/children")
echo "processes $(wc -w <<<"$killed")"
for process in $killed; do
  kill -9 "$process"
  sleep 1
  ready
  decide --format plain | head -n 1 | cut -d ' ' -f 1,2
done
echo "restarts $(systemctl show -P NRestarts charter)"
systemctl stop charter
echo "# wrong settings"
sed -i 's/^port/prot/' /etc/charter/charter.toml
systemctl start charter && echo "started"
journalctl --unit charter --output cat --no-pager | grep -m 1 'prot'
echo "# end"
systemctl poweroff --force
