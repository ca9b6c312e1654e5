# What 'vmbc' says without a cluster; tests/vmbc has one.
t varve vmbc
t varve vmbc move
t varve vmbc list nothere
mkdir -p some/dir
t varve vmbc list some
mkdir -p a/replica-0/rocksdbdata b/replica-0/rocksdbdata
t varve vmbc list a/replica-0 b/replica-0
mkdir -p c/ns/chain/replica-1/rocksdbdata/checkpoints/{7,8.tmp,notes}
mkdir -p c/ns/chain/replica-0/rocksdbdata c/ns/chain/replica-2
t varve vmbc list c
t varve vmbc list --replicas 1 c
t varve vmbc list --json c
t varve vmbc restore --stopped
quietly varve init
t varve vmbc restore --stopped -n 7 c
t varve vmbc restore --stopped -n --lost 9 7 c
t varve vmbc list --stored --blockchain chain
t varve vmbc list --stored
printf 'replicaCheckpointBackup:\n  enabled: false\n  numberOfCheckpoints: 1\n' >v.yaml
t varve vmbc status --values v.yaml
t varve vmbc status --json --values v.yaml
t varve vmbc status --descriptor v.yaml
t varve vmbc status --values nothere

# What is of another use is not left out in silence.
t varve vmbc add --dry-run .
t varve pg dump --dry-run
t varve pg table --diff s t
t varve pso status --count 3
