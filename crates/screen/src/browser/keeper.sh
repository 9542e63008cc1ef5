# Keeps one browser: starts it, and when the one who asked for it lets go of descriptor 5, or dies in whatever
# way, ends it with all its processes and removes its profile. Descriptors 3 and 4 are the browser's own pipe.
# Descriptor 6, if there is one, holds the lock of a profile that is kept: it is free when this shell has ended.
# Arguments: the folder of a profile to throw away (empty if it is kept), then the browser's command.
profile=$1
shift
"$@" 5<&- 6<&- &
browser=$!
exec 3<&- 4>&-
read -r _ <&5
# What is worth a polite end has had it: a throw-away profile is not.
kill -KILL "$browser" 2>/dev/null
if [ -n "$profile" ]; then
    # Helpers may still be writing while they notice.
    rm -rf -- "$profile" 2>/dev/null || { sleep 0.2; rm -rf -- "$profile"; }
fi
# This shell leads the process group: what is left of the helpers ends with it.
kill -KILL 0
