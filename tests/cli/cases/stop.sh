# "When varve add is stopped, no snapshot is made."
mkdir d
for i in 1 2 3 4; do head -c 40M /dev/urandom >d/$i; done
quietly varve init
for signal in INT TERM; do
	touch before
	varve add -s s d &
	# this one writes, and not the one that was stopped before it
	until [ -n "$(find store/packs store/tmp -type f -newer before)" ]; do :; done
	kill -$signal $!
	wait $!
	echo "[$?]"
done
t varve list
