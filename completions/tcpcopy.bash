# Made from the option table in src/cli by tools/completions.ts. Do not edit.
_tcpcopy() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
  # "--name=value" comes as three words.
  if [[ $cur == '=' ]]; then
    cur=''
  elif [[ $prev == '=' ]]; then
    prev=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  COMPREPLY=()
  case $prev in
    --key-file | --tls-ca | -l | --log-file | -P | --pid-file | --control-socket | --config)
      compopt -o filenames 2>/dev/null
      COMPREPLY=($(compgen -f -- "$cur"))
      return ;;
    --gradual-shape)
      COMPREPLY=($(compgen -W 'linear exponential' -- "$cur"))
      return ;;
    --on-gap)
      COMPREPLY=($(compgen -W 'reset close' -- "$cur"))
      return ;;
    --direction)
      COMPREPLY=($(compgen -W 'in out' -- "$cur"))
      return ;;
    --log-level)
      COMPREPLY=($(compgen -W 'debug info warn error' -- "$cur"))
      return ;;
    --log-format)
      COMPREPLY=($(compgen -W 'text json' -- "$cur"))
      return ;;
    -i | --interface | -o | --output-interface)
      COMPREPLY=($(compgen -W "any $(ls /sys/class/net)" -- "$cur"))
      return ;;
    -x | --transfer | -r | --percentage | --gradual-time | -n | --copies | --spread | -c | --client-address | -f | --port-shift | -H | --localhost-address | -s | --intercept | -p | --port | -C | --connections | -M | --mtu | -D | --mss | -t | --session-timeout | -k | --keepalive-timeout | -R | --default-rtt | -m | --memory-limit | -U | --session-block | --max-connections | --max-connections-per-second | --max-packets-per-second | --max-octets-per-second | --max-held-segments | --max-held-octets | --max-held-segments-total | --max-held-octets-total | --max-retransmissions | --max-reconnections | --handshake-timeout | --close-wait-timeout | --closing-timeout | --gap-timeout | --linger-time | -F | --filter | -B | --capture-buffer | -S | --snap-length | --read | -a | --speed | -I | --skip-gaps | -T | --repeat | --from | --to | --shard | --user)
      :
      return ;;
  esac
  if [[ ${COMP_WORDS[1]} == ctl && $COMP_CWORD -gt 1 ]]; then
    COMPREPLY=($(compgen -W 'status statistics get set unset reload stop --control-socket --config' -- "$cur"))
    return
  fi
  local words='-x --transfer -r --percentage -g --gradual --gradual-time --gradual-shape -n --copies --spread -O --only-new --udp -c --client-address -f --port-shift -H --localhost-address -s --intercept -p --port -C --connections -L --lonely --key-file --tls-ca --with-resp-payload --disable-combined --single -M --mtu -D --mss -W --dont-wait --no-latency -t --session-timeout -k --keepalive-timeout -R --default-rtt -m --memory-limit -U --session-block --max-connections --max-connections-per-second --max-packets-per-second --max-octets-per-second --max-held-segments --max-held-octets --max-held-segments-total --max-held-octets-total --max-retransmissions --max-reconnections --handshake-timeout --close-wait-timeout --closing-timeout --gap-timeout --on-gap --linger-time -i --interface -F --filter -B --capture-buffer -S --snap-length -o --output-interface --direction --read --offline -a --speed -I --skip-gaps -T --repeat --from --to --shard -l --log-file --log-level --log-format -P --pid-file -d --daemon --user --control-socket --config --check -h --help -v --version'
  [[ $COMP_CWORD -eq 1 ]] && words+=' ctl'
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _tcpcopy tcpcopy
