# "Each line is ok, warn or fail, and says what to do."
quietly varve init
varve doctor 2>/dev/null | grep -E '^(ok|warn|fail)  +(store|writing|modes|catalog) '
varve doctor 2>/dev/null | grep -vE '^(ok  |warn|fail)  [a-z_/0-9]+ +.'
varve doctor --json 2>words | sed -n '1p'
# Whether it warns of more than the store is up to the machine.
grep -vE '^[0-9]+ failures?, [0-9]+ warnings?\.$' words
chmod 755 store
varve doctor -q | grep modes
chmod 700 store
varve doctor --store nowhere 2>/dev/null | grep store
t varve doctor -q --store nowhere >/dev/null
echo "user_allow_other is $(varve doctor 2>/dev/null | grep -c allow_other) line"
