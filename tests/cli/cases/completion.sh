# What bash offers: commands, options, sources, times, paths.
command -v bash >/dev/null || skip "no bash"
script=$VARVE_BUILD/tools/completion/varve
[ -f "$script" ] || skip "no completion was built"
tree d
quietly varve init
quietly varve add -q -s web/etc -t 2021-01-22 d
quietly varve add -q -s web/www -t 2021-01-22 d
. "$script"
offers() { # LINE
	COMP_LINE=$1 COMP_POINT=${#1}
	_varve
	echo "$1 => $(printf '%s\n' "${COMPREPLY[@]}" | sort | tr '\n' ' ')"
}
offers 'varve li'
offers 'varve --st'
offers 'varve ls web'
offers 'varve ls web/etc@'
offers 'varve ls web/etc:'
offers 'varve cat web/etc:sub/'
offers 'varve cat web/etc:sub/t'
offers 'varve list --no'
offers 'varve list --notes web/w'
offers 'varve add -k '
offers 'varve add --exclude-from d/f'
offers 'varve restore web/e'
offers 'varve restore web/etc d/s'
offers 'varve help che'
offers 'varve find --type '
offers 'varve nosuch x'
# "every option of every command is offered"
varve --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' |
while read -r c; do
	varve "$c" --help | grep -oE '^  (-.|  )[, ] --[a-z-]+' |
		grep -oE -- '--[a-z-]+' | sort >want
	COMP_LINE="varve $c --" COMP_POINT=$((${#c} + 9))
	_varve
	printf '%s\n' "${COMPREPLY[@]%=}" | sort >have
	diff want have >/dev/null || { echo "$c differs"; diff want have; }
done
