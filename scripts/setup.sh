#!/bin/sh
# Makes a fresh checkout ready: system packages, npm packages, build. Says nothing and does nothing
# where nothing is missing. Use: sh scripts/setup.sh [demo|bench|test]
#   demo  what `npm run demo` needs
#   bench also tcpdump
#   test  also the real servers and tools that the tests in the lab run against
set -eu
cd "$(dirname "$0")/.."
PATH="$PATH:/usr/sbin:/sbin"
export PATH
profile="${1:-test}"

fail() { echo "setup: $*" >&2; exit 1; }

# --- Node first: nothing else makes sense without it.
command -v node >/dev/null || fail 'node not found; install Node 20.19 or newer with npm (https://nodejs.org)'
command -v npm >/dev/null || fail 'npm not found; it comes with Node from https://nodejs.org'
version=$(node -p process.versions.node)
major=${version%%.*}
rest=${version#*.}
minor=${rest%%.*}
if [ "$major" -lt 20 ] || { [ "$major" -eq 20 ] && [ "$minor" -lt 19 ]; }; then
  fail "Node $version is too old, 20.19 or newer is needed; install it from https://nodejs.org"
fi

# --- System packages: "probe package" pairs; a probe is a command, a library of the loader, or a
# command of the PostgreSQL server, which Debian keeps in a folder for each version.
hosts='ip:iproute2 unshare:util-linux mount:mount lib/libpcap.so:libpcap0.8'
case "$profile" in
  demo) wanted="$hosts" ;;
  bench) wanted="$hosts tcpdump:tcpdump" ;;
  test) wanted="$hosts nft:nftables iptables:iptables ethtool:ethtool curl:curl openssl:openssl
    mandoc:mandoc zsh:zsh fish:fish systemd-analyze:systemd
    redis-server:redis-server redis-benchmark:redis-tools
    memcached:memcached memccapable:libmemcached-tools postgresql/postgres:postgresql
    mariadbd:mariadb-server-core mariadb:mariadb-client-core sysbench:sysbench
    newuidmap:uidmap conntrack:conntrack tcpdump:tcpdump dig:bind9-dnsutils
    editcap:wireshark-common tcprewrite:tcpreplay" ;;
  *) fail "profile $profile is not known; use demo, bench or test" ;;
esac

present() {
  case "$1" in
    lib/*) ldconfig -p | grep -q "${1#lib/}" ;;
    postgresql/*) ls /usr/lib/postgresql/*/bin/"${1#*/}" >/dev/null 2>&1 ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

missing=''
for pair in $wanted; do
  present "${pair%%:*}" || missing="$missing ${pair#*:}"
done

if [ -n "$missing" ]; then
  command -v apt-get >/dev/null || fail "missing, and no apt-get here: install (Debian names)$missing"
  if [ "$(id -u)" = 0 ]; then become=''
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then become='sudo'
  elif command -v sudo >/dev/null && [ -t 0 ]; then become='sudo'
  else fail "missing packages; as root run: apt-get install -y --no-install-recommends$missing"
  fi
  echo "setup: installing$missing" >&2
  # RUNLEVEL=1 keeps packages from starting their services: the lab starts its own servers.
  apt() { $become env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -q "$@" >/dev/null; }
  # shellcheck disable=SC2086 # a list of words
  apt install -y --no-install-recommends $missing 2>/dev/null || {
    apt update && apt install -y --no-install-recommends $missing
  } || fail "apt-get could not install them; run: apt-get install$missing"
fi

# --- npm packages and build. npm writes node_modules/.package-lock.json last.
stamp=node_modules/.package-lock.json
if [ ! -e "$stamp" ] || [ package-lock.json -nt "$stamp" ] || [ package.json -nt "$stamp" ]; then
  echo 'setup: installing npm packages' >&2
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
  touch "$stamp"
fi
node_modules/.bin/tsc -b
