# A BUDA job: $ARGS has the words of the job, `infile` goes in, `out` comes out.
set -eu
cd /work
echo "$(cat /job/greeting): $ARGS" > out
n=0
for word in $ARGS; do n=$((n + 1)); done
echo "$n words" >> out
cat infile >> out
