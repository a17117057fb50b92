NEURAL = []
