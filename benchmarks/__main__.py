"""`python -m benchmarks SUBJECT`, which bin/benchmark runs."""

from benchmarks import subjects

raise SystemExit(subjects.main())
