"""What an operator orders: the only part of the admin that changes what is served."""
