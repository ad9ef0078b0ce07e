# Counts to ten in about ten seconds, tells how far it is, and carries on where it stopped.
# The slot is the current directory. $ARGS holds the job's arguments: a name to greet.
set -eu
cd /app
done=0
if [ -f checkpoint ]; then done=$(cat checkpoint); fi
echo "Hello, ${ARGS:-world}! Starting at step $done of 10."
while [ "$done" -lt 10 ]; do
    end=$(($(date +%s) + 1))
    sum=0
    while [ "$(date +%s)" -lt "$end" ]; do
        i=0
        while [ "$i" -lt 2000 ]; do sum=$((sum + i)); i=$((i + 1)); done
    done
    done=$((done + 1))
    echo "$done" > checkpoint.new && mv checkpoint.new checkpoint
    awk -v n="$done" 'BEGIN { printf "%.2f\n", n / 10 }' > fraction_done.new
    mv fraction_done.new fraction_done
    echo "step $done of 10"
done
{
    echo "Hello, ${ARGS:-world}!"
    echo "I counted to $done inside a container, on $(uname -s), as user $(id -u)."
} > hello.txt
