# A cluster that does not answer is not one that has nothing: kubectl says of each
# type that the server has it not.
cat >kubectl <<'END'
#!/bin/sh
case "$*" in
*version*) echo '{"clientVersion":{"gitVersion":"v1.32.5"}}' ;;
*can-i*) echo 'error: the server doesn'"'"'t have a resource type "pods"' >&2; exit 1 ;;
*view*) echo '{"clusters":[{"cluster":{"server":"https://api.lab:6443"}}]}' ;;
*current-context*) echo lab ;;
*) echo 'The connection to the server api.lab:6443 was refused - did you specify the right host or port?' >&2; exit 1 ;;
esac
END
chmod +x kubectl
quietly varve init
varve doctor vmbc -n shop --kubectl ./kubectl 2>/dev/null | grep 'kubectl\|cluster\|vmbc'
