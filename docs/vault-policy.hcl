# What a token has to be allowed so that every operation of Vault can be measured and everything made for it removed.
# A service that is not called `vault` alone has other names: devperf_vault_team-kv for [services.vault_team].
# vault policy write devperf-measure docs/vault-policy.hcl && vault token create -policy=devperf-measure

# Two mounts of our own, removed afterwards.
path "sys/mounts/devperf-kv" { capabilities = ["create", "read", "update", "delete"] }
path "sys/mounts/devperf-pki" { capabilities = ["create", "read", "update", "delete"] }
path "devperf-kv/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "devperf-pki/*" { capabilities = ["create", "read", "update", "delete", "list"] }

# Tokens of a policy of our own, that allows nothing but making more of them; revoked and removed afterwards.
# sudo: a token may otherwise only give away policies that it has itself.
path "sys/policies/acl/devperf-token" { capabilities = ["create", "read", "update", "delete"] }
path "auth/token/create" { capabilities = ["create", "update", "sudo"] }
path "auth/token/revoke-accessor" { capabilities = ["update"] }

# Without the above, reading, writing and listing are measured in the folder devperf/ of a KV mount of version 2.
# For that, these two lines are enough:
# path "secret/data/devperf/*" { capabilities = ["create", "read", "update"] }
# path "secret/metadata/devperf/*" { capabilities = ["list", "delete"] }
