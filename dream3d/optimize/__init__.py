"""Where scene and guidance meet: the optimisation loop, its schedules, regularisers and health checks."""
