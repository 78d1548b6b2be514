#!/bin/sh
# Runs a command in mount, network and process namespaces of its own (and, for an ordinary user, a
# user namespace in which that user is root). Whatever the command makes there -- hosts, routes,
# servers, daemons -- ends with it, however it ends: when the first process of a process namespace
# dies, the kernel kills the others, and the last one takes the network and the mounts along.
# That is the whole clean-up. Use: sh scripts/sandbox.sh COMMAND [ARGUMENT...]
set -eu
PATH="$PATH:/usr/sbin:/sbin"
export PATH

if [ "${1:-}" = --inside ]; then
  shift
  # An ordinary user may not write to /run, and the names of network namespaces are files there.
  mount -t tmpfs -o mode=755 sandbox /run
  mkdir -p /run/netns
  # Daemons write their logs where they always do, and yet leave none behind on this machine.
  mount -t tmpfs -o mode=755 sandbox /var/log
  ip link set lo up
  export LAB_SANDBOX=1
  # Not "exec": the first process of a namespace must reap the orphans and keeps no default signals.
  status=0
  "$@" || status=$?
  exit $status
fi

if [ $# -eq 0 ]; then
  echo 'sandbox: no command given; use: sh scripts/sandbox.sh COMMAND [ARGUMENT...]' >&2
  exit 2
fi
for tool in unshare setpriv mount ip; do
  if ! command -v "$tool" >/dev/null; then
    echo "sandbox: $tool not found; install it: apt-get install util-linux mount iproute2" >&2
    exit 1
  fi
done

# A sandbox inside a sandbox is root already and works the same way.
if [ "$(id -u)" = 0 ]; then user=''
else
  user='--user --map-root-user'
  # With other users besides (newuidmap, /etc/subuid), programs in there can give up being root.
  # shellcheck disable=SC2086 # two words
  if unshare $user --map-auto true 2>/dev/null; then user="$user --map-auto"; fi
fi
# shellcheck disable=SC2086 # $user is none or two words
if ! why=$(unshare $user --mount --net --pid --fork --mount-proc true 2>&1); then
  {
    echo "sandbox: cannot make namespaces as user $(id -un): $why"
    if [ -n "$user" ]; then
      echo 'sandbox: this system does not let an ordinary user own a user namespace. Either run the'
      echo 'sandbox: same command as root, or let users: sysctl -w kernel.unprivileged_userns_clone=1'
      echo 'sandbox: user.max_user_namespaces=10000 (on Ubuntu also'
      echo 'sandbox: kernel.apparmor_restrict_unprivileged_userns=0)'
    else
      echo 'sandbox: root, but without CAP_SYS_ADMIN: in a container, start it with --privileged'
    fi
  } >&2
  exit 1
fi
# unshare does not listen to SIGTERM while it waits, so this shell does; and if this shell is killed
# without a chance to act, the kernel kills unshare (--pdeathsig) and with it the sandbox.
# shellcheck disable=SC2086
setpriv --pdeathsig KILL unshare $user --mount --net --pid --fork --kill-child --mount-proc \
  sh "$0" --inside "$@" <&0 &
unshare=$!
trap 'kill -KILL $unshare 2>/dev/null; exit 130' INT
trap 'kill -KILL $unshare 2>/dev/null; exit 143' TERM HUP
status=0
wait $unshare || status=$?
exit $status
