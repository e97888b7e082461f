"""What happens between an accepted call and its answer: route, accept, send once, record, look up."""
