# Keeps one browser: starts it, and when the one who asked for it lets go of descriptor 5, or dies in whatever
# way, ends it with all its processes and removes its profile. Descriptors 3 and 4 are the browser's own pipe.
# Arguments: the profile folder, then the browser's command.
profile=$1
shift
"$@" 5<&- &
browser=$!
exec 3<&- 4>&-
read -r _ <&5
# Nothing in the profile is worth a polite end.
kill -KILL "$browser" 2>/dev/null
# Helpers may still be writing while they notice.
rm -rf -- "$profile" 2>/dev/null || { sleep 0.2; rm -rf -- "$profile"; }
# This shell leads the process group: what is left of the helpers ends with it.
kill -KILL 0
