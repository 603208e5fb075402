"""What a step computes, fused into passes; its order and its stability."""
