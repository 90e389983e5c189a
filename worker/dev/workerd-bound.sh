#!/bin/sh
# Runs workerd so that the kernel ends it together with the process that started it, whatever ended
# that one. Miniflare itself only does so when it gets the time to.
exec /usr/bin/setpriv --pdeathsig KILL -- "$KERBSIDE_WORKERD" "$@"
