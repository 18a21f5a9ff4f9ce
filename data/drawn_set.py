"""Source: our own drawn faces. The true smile of each is known, so that every stage can be measured against it."""
