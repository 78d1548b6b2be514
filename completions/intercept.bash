# Made from the option table in src/cli by tools/completions.ts. Do not edit.
_intercept() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
  # "--name=value" comes as three words.
  if [[ $cur == '=' ]]; then
    cur=''
  elif [[ $prev == '=' ]]; then
    prev=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  COMPREPLY=()
  case $prev in
    --key-file | --tls-cert | --tls-key | -l | --log-file | -P | --pid-file | --control-socket | --config)
      compopt -o filenames 2>/dev/null
      COMPREPLY=($(compgen -f -- "$cur"))
      return ;;
    --log-level)
      COMPREPLY=($(compgen -W 'debug info warn error' -- "$cur"))
      return ;;
    --log-format)
      COMPREPLY=($(compgen -W 'text json' -- "$cur"))
      return ;;
    -i | --interface)
      COMPREPLY=($(compgen -W "any $(ls /sys/class/net)" -- "$cur"))
      return ;;
    -F | --filter | -D | --docker | -s | --delay-table | -p | --port | -b | --bind | -n | --batch | --max-connections | --max-connections-per-peer | --max-routes | --max-routes-per-peer | --queue | -x | --pass-through | -q | --queue-length | --user)
      :
      return ;;
  esac
  if [[ ${COMP_WORDS[1]} == ctl && $COMP_CWORD -gt 1 ]]; then
    COMPREPLY=($(compgen -W 'status statistics get set unset reload stop --control-socket --config' -- "$cur"))
    return
  fi
  local words='-F --filter -i --interface -D --docker --dnat -s --delay-table -p --port -b --bind --key-file --allow-original --tls-cert --tls-key --with-resp-payload --disable-combined -n --batch --max-connections --max-connections-per-peer --max-routes --max-routes-per-peer --single -c --protect --queue -x --pass-through -q --queue-length -l --log-file --log-level --log-format -P --pid-file -d --daemon --user --control-socket --config --check -h --help -v --version'
  [[ $COMP_CWORD -eq 1 ]] && words+=' ctl'
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _intercept intercept
