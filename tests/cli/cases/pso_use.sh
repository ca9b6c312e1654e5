# What varve pso is not: each says what is wrong before anybody is asked.
varve init -q
t varve pso frobnicate
t varve pso status now
t varve pso capture lab
t varve pso volumes --clean --rename --kubectl no-such-kubectl
t varve pso volumes --array pure1 --kubectl no-such-kubectl
t varve pso status --from nothing
t varve pso reconstruct --kubectl no-such-kubectl
t varve pso status --from-dir x
# A cluster that does not answer.
printf '#!/bin/sh\necho "The connection to the server was refused" >&2\nexit 1\n' >dead
chmod +x dead
t varve pso reconstruct --kubectl ./dead
t varve pg audit --kubectl ./dead
t varve pg dump --all --kubectl ./dead
