"""Make an OCI image on disk from a base image and requirements, without a container engine.

Plain Python, no Django. The steps of a build, in their order:

    workshop = Workshop(store=BlobStore(path), cache=path)
    base = find_base("host", workshop, reporter)
    lock = resolve(base, ["scikit-learn==1.5.2"], workshop, reporter, previous=None)
    wheels = fetch(lock, workshop, reporter)
    image = assemble(base, lock, wheels, ImageSettings(), workshop, reporter)
    problems = check_lock(lock, wheels)
    workshop.store.tag("default/azureml/azureml_<hash>:latest", image.descriptor)
"""
