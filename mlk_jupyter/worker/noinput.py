"""What `input()` and `getpass()` answer in a job."""

WORDS = (
    "A job has no keyboard: input() and getpass() cannot ask anybody. Make the value a parameter of the job, "
    "or take it from an environment variable or a secret."
)
